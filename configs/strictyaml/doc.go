// Package strictyaml reads YAML the way a configuration deserves: nothing is guessed,
// nothing is ignored, and every mistake of a file is reported at once, with file,
// line, column, the path of keys that leads there, and what to write instead.
//
// A [Document] is walked from its [Document.Root]: a [Node] is a value, a [Map] a
// mapping that remembers which keys were asked for, so that [Map.Done] can report the
// others. Readers such as [Node.Int] take the default, report what is wrong, and go
// on, so that one walk finds all mistakes. In the end [Document.Err] returns them.
//
// Lines and columns count from 1, columns in characters. A block mapping or list is at
// the key that names it. A plain scalar is the text as written: no value changes its
// type behind the reader's back ("no", 0123 and 1_000 stay what they are).
//
// What is left out on purpose, with a clear problem: anchors, aliases, merge keys,
// tags, directives, complex keys, several documents. Limits: 1 MiB, 32 levels deep,
// 200 problems.
package strictyaml
