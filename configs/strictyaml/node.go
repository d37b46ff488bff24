package strictyaml

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Node is a value of the file, or the place where one is missing. It carries its path
// and position, so that whoever judges it can report it. The zero Node is absent.
type Node struct {
	doc   *Document
	value *value // nil: absent
	path  *step
	at    position
}

// step is one key or index of a path; the path is only put together for a report.
type step struct {
	parent *step
	key    string
	index  int // used if key is ""
}

func (s *step) String() string {
	if s == nil {
		return ""
	}
	parent := s.parent.String()
	if s.key == "" {
		return fmt.Sprintf("%s[%d]", parent, s.index)
	}
	key := s.key
	if strings.ContainsAny(key, " .:[]\"'\n\t") || len(key) > 64 {
		key = strconv.Quote(shorten(key))
	}
	if parent == "" {
		return key
	}
	return parent + "." + key
}

// Present reports whether the file has the value. A key with nothing after it is present.
func (n Node) Present() bool { return n.value != nil }

// IsMap reports whether the value is a mapping.
func (n Node) IsMap() bool { return n.value != nil && n.value.kind == mapping }

// IsList reports whether the value is a list.
func (n Node) IsList() bool { return n.value != nil && n.value.kind == list }

// Path returns the keys and indexes that lead here, such as buses.rs485.allow[0].units.
func (n Node) Path() string { return n.path.String() }

// Line returns the line, from 1; for an absent value that of the mapping it is missing from.
func (n Node) Line() int { return n.at.line }

// Column returns the column in characters, from 1.
func (n Node) Column() int { return n.at.column }

// Problemf reports a problem at this node: what was expected, what was found, what to do.
// Show values with [Node.Shown] only, which hides what came from the environment.
func (n Node) Problemf(format string, args ...any) {
	if n.usable() {
		n.doc.add(n.problem(format, args))
	}
}

// Warnf collects a warning at this node, see [Document.Warnings].
func (n Node) Warnf(format string, args ...any) {
	if n.usable() && len(n.doc.warnings) < maxProblems {
		n.doc.warnings = append(n.doc.warnings, n.problem(format, args))
	}
}

// usable is false for nodes without a document, and for a file that could not be
// parsed: what is missing there is no second problem.
func (n Node) usable() bool { return n.doc != nil && n.doc.root != nil }

func (n Node) problem(format string, args []any) Problem {
	return Problem{File: n.doc.file, Line: n.at.line, Column: n.at.column, Path: n.Path(), Message: fmt.Sprintf(format, args...)}
}

func (n Node) expected(what string) { n.Problemf("expected %s, got %s", what, n.Shown()) }

func (n Node) expectedHint(what, hint string) {
	n.Problemf("expected %s, got %s: %s", what, n.Shown(), hint)
}

// Shown describes the value for a message, as it is written in the file: a scalar
// with ${NAME} is shown with the expression, never with the variable's value.
func (n Node) Shown() string {
	if n.value == nil {
		return "nothing"
	}
	switch n.value.kind {
	case null:
		return "nothing"
	case mapping:
		return "a mapping"
	case list:
		return "a list"
	}
	if secret := n.doc.options.Secret; secret != nil && secret(n.Path()) {
		return "a text that may be a secret"
	}
	text := shorten(credentials.ReplaceAllString(n.value.text, "(hidden)@"))
	switch n.value.style {
	case number, boolean:
		return text
	}
	return strconv.Quote(text)
}

// credentials are the name and password in an address: all from the scheme, or the
// beginning, to the last @ before a slash could end it.
var credentials = regexp.MustCompile(`[^/\s@]*:.*@|[^/\s@]+@`)

func shorten(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// Map returns the value as a mapping. Anything else is reported and gives an empty
// mapping that reports nothing; so does an absent value. Duplicate keys are reported.
func (n Node) Map() *Map {
	if n.value == nil {
		return &Map{node: Node{doc: n.doc, path: n.path, at: n.at}}
	}
	if n.value.kind != mapping {
		if n.path == nil && n.value.kind == null {
			n.Problemf("the file is empty: expected keys with values")
		} else {
			n.expected("a mapping (key: value)")
		}
		return &Map{} // silent: the keys of what is no mapping are no second problem
	}
	return newMap(n)
}

// List returns the items of a list. Anything else but an absent value is reported.
func (n Node) List() []Node {
	if n.value == nil {
		return nil
	}
	if n.value.kind != list {
		n.expectedHint("a list", "write [a, b] or one item per line after a dash")
		return nil
	}
	nodes := make([]Node, len(n.value.items))
	for i, item := range n.value.items {
		nodes[i] = Node{doc: n.doc, value: item, path: &step{parent: n.path, index: i}, at: item.at}
	}
	return nodes
}

// ListOrOne is [Node.List] that takes a scalar as a list of one.
func (n Node) ListOrOne() []Node {
	if n.value != nil && n.value.kind == scalar {
		return []Node{n}
	}
	return n.List()
}
