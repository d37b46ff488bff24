package strictyaml

// value is the file's content, free of the lexer's types.
type value struct {
	kind    kind
	style   style
	text    string // of a scalar, as written if it is a plain one
	at      position
	entries []entry  // of a mapping, in the file's order, duplicates included
	items   []*value // of a list
}

type kind uint8

const (
	null kind = iota
	scalar
	mapping
	list
)

// style is how a scalar is written, which is all that YAML's types are to a strict reader.
type style uint8

const (
	plain style = iota
	number
	boolean
	quoted
)

type entry struct {
	name  string
	at    position // of the key
	value *value
}

// position counts lines and columns (in characters) from 1.
type position struct{ line, column int }
