package strictyaml

import "fmt"

// Options of a document.
type Options struct {
	// Env returns the value of an environment variable for ${NAME} in scalars. An
	// unset variable is a problem; $$ stands for one dollar sign. Nil: no expansion.
	Env func(name string) (string, bool)

	// Secret reports whether what stands at a path may be a secret, so that no problem
	// repeats it. Nil: nothing is. A name and password in an address are never repeated.
	Secret func(path string) bool
}

// Limits of a document; more is a problem, never a crash.
const (
	MaxSize  = 1 << 20 // bytes
	MaxDepth = 32      // mappings and lists inside each other

	maxProblems = 200
)

// Document is one parsed file, and the problems and warnings found in it so far.
// It is used by one goroutine.
type Document struct {
	file     string
	options  Options
	root     *value // nil: the file could not be parsed
	problems Problems
	warnings Problems
}

// Root returns the file's value; it is absent if the file could not be parsed.
func (d *Document) Root() Node {
	if d.root == nil {
		return Node{doc: d, at: position{1, 1}}
	}
	return Node{doc: d, value: d.root, at: d.root.at}
}

// Err returns all problems as [Problems], or nil if there are none.
func (d *Document) Err() error {
	if len(d.problems) == 0 {
		return nil
	}
	return d.problems.sorted()
}

// Warnings returns what [Node.Warnf] collected, by position.
func (d *Document) Warnings() Problems { return d.warnings.sorted() }

func (d *Document) add(p Problem) {
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, p)
	}
}

func (d *Document) addf(at position, format string, args ...any) {
	d.add(Problem{File: d.file, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...)})
}
