package strictyaml

import (
	"fmt"

	"github.com/goccy/go-yaml/token"
)

// reader turns the lexer's tokens into values: block and flow mappings and lists, and
// scalars [YAML 1.2.2, 7 and 8]. Its first failure ends it: from then on there are no
// more tokens, so that every loop comes to its end.
type reader struct {
	tokens []*token.Token // without comments
	next   int
	depth  int

	failed  bool
	at      position
	message string
}

func newReader(all token.Tokens) *reader {
	tokens := make([]*token.Token, 0, len(all))
	for _, t := range all {
		if t.Type != token.CommentType {
			tokens = append(tokens, t)
		}
	}
	return &reader{tokens: tokens}
}

func positionOf(t *token.Token) position {
	return position{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// token returns the next token whatever it is, nil at the end.
func (r *reader) token() *token.Token {
	if r.failed || r.next >= len(r.tokens) {
		return nil
	}
	return r.tokens[r.next]
}

// peek returns the next token of the document, nil at its end.
func (r *reader) peek() *token.Token {
	t := r.token()
	if t == nil || t.Type == token.DocumentHeaderType || t.Type == token.DocumentEndType {
		return nil
	}
	return t
}

// is reports whether the next token has the type.
func (r *reader) is(what token.Type) bool {
	t := r.token()
	return t != nil && t.Type == what
}

func (r *reader) fail(at position, format string, args ...any) {
	if !r.failed {
		r.failed, r.at, r.message = true, at, fmt.Sprintf(format, args...)
	}
}

// failAt fails at a token, with the lexer's own reason if it has one, or because
// the token belongs to what is not supported.
func (r *reader) failAt(t *token.Token, message string) {
	switch reason, ok := refused[t.Type]; {
	case t.Type == token.InvalidType:
		message = plainWords(t.Error)
	case ok:
		message = reason
	}
	r.fail(positionOf(t), "%s", message)
}

// enter goes one level deeper; what it returns comes back. The limit keeps the
// recursion small, whatever the file says.
func (r *reader) enter() func() {
	if r.depth++; r.depth > MaxDepth && !r.failed {
		r.fail(positionOf(r.tokens[min(r.next, len(r.tokens)-1)]), "more than %d mappings and lists inside each other: this is no configuration", MaxDepth)
	}
	return func() { r.depth-- }
}

// document reads the only document of the file.
func (r *reader) document() *value {
	if r.is(token.DocumentHeaderType) {
		header := r.token()
		r.next++
		if t := r.peek(); t != nil && t.Position.Line == header.Position.Line {
			r.fail(positionOf(t), "nothing may follow --- on its line: begin a new line")
		}
	}
	root := &value{at: position{1, 1}}
	if r.peek() != nil {
		root = r.block(nil)
	}
	if r.is(token.DocumentEndType) {
		r.next++
	}
	switch t := r.token(); {
	case t == nil:
	case t.Type == token.DocumentHeaderType:
		r.fail(positionOf(t), "a second document begins here: keep one per file, remove the --- between them")
	default:
		r.failAt(t, misplaced)
	}
	return root
}

// block reads a value that may be a block mapping or list. key is the place of the
// key that names it, nil in a list and at the root.
func (r *reader) block(key *position) *value {
	t := r.peek()
	if t == nil {
		return &value{}
	}
	at := positionOf(t)
	named := at
	if key != nil {
		named = *key
	}
	switch {
	case t.Type == token.SequenceEntryType:
		return r.blockList(at.column, named)
	case r.isKey():
		return r.blockMapping(at.column, named)
	}
	return r.inline()
}

// isKey reports whether a key with its colon comes next.
func (r *reader) isKey() bool {
	t := r.peek()
	return t != nil && isScalar[t.Type] && r.next+1 < len(r.tokens) && r.tokens[r.next+1].Type == token.MappingValueType
}

// blockMapping reads the keys that begin in the column.
func (r *reader) blockMapping(column int, at position) *value {
	defer r.enter()()
	m := &value{kind: mapping, at: at}
	for t := r.peek(); t != nil && t.Position.Column == column; t = r.peek() {
		if !r.isKey() || r.continuesLine(t) {
			r.failAt(t, "expected a key followed by a colon and a space")
			break
		}
		key, colon := t, r.tokens[r.next+1]
		if key.Position.Line != colon.Position.Line {
			r.fail(positionOf(key), "expected a key followed by a colon and a space")
			break
		}
		r.next += 2
		e := entry{name: key.Value, at: positionOf(key)}
		e.value = r.mappingValue(column, colon.Position.Line, e.at)
		m.entries = append(m.entries, e)
	}
	r.endBlock(column)
	return m
}

// mappingValue reads what follows a colon: on its line a scalar or a flow value, on
// the next lines anything further right, or a list in the key's own column.
func (r *reader) mappingValue(column, line int, key position) *value {
	t := r.peek()
	switch {
	case t == nil:
	case t.Position.Line == line && t.Type == token.SequenceEntryType:
		r.fail(positionOf(t), "a list with dashes cannot begin here: put every dash on its own line below the key")
	case t.Position.Line == line:
		return r.inline()
	case t.Position.Column > column, t.Position.Column == column && t.Type == token.SequenceEntryType:
		return r.block(&key)
	}
	return &value{at: key}
}

// blockList reads the items whose dashes are in the column.
func (r *reader) blockList(column int, at position) *value {
	defer r.enter()()
	l := &value{kind: list, at: at}
	for t := r.peek(); t != nil && t.Position.Column == column && t.Type == token.SequenceEntryType; t = r.peek() {
		r.next++
		item := r.peek()
		if item == nil || item.Position.Line != t.Position.Line && item.Position.Column <= column {
			l.items = append(l.items, &value{at: positionOf(t)})
			continue
		}
		l.items = append(l.items, r.block(nil))
	}
	r.endBlock(column)
	return l
}

// endBlock fails if what follows a block is indented deeper than it.
func (r *reader) endBlock(column int) {
	if t := r.peek(); t != nil && t.Position.Column > column {
		r.failAt(t, misplaced)
	}
}

// continuesLine reports whether a value before t ends on t's line.
func (r *reader) continuesLine(t *token.Token) bool {
	if r.next == 0 || r.next > 1 && isText[r.tokens[r.next-2].Type] {
		return false // nothing before, or a text after | or >, which ends with its line
	}
	before := r.tokens[r.next-1]
	return before.Position.Line == t.Position.Line && before.Type != token.SequenceEntryType
}
