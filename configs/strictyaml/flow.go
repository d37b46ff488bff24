package strictyaml

import (
	"strings"

	"github.com/goccy/go-yaml/token"
)

// inline reads a value that begins and, but for flow values and texts, ends on its line.
func (r *reader) inline() *value {
	v := r.flow()
	if t := r.peek(); t != nil && t.Type == token.MappingValueType {
		r.fail(positionOf(t), "a colon where none can be: put text with a colon in quotes, or line the key up with the keys around it")
	}
	return v
}

// flow reads a scalar, a list in [ ] or a mapping in { }.
func (r *reader) flow() *value {
	t := r.peek()
	if t == nil {
		return &value{}
	}
	r.next++
	switch {
	case t.Type == token.SequenceStartType:
		return r.flowList(t)
	case t.Type == token.MappingStartType:
		return r.flowMapping(t)
	case isText[t.Type]:
		return r.text(t)
	}
	return r.scalar(t)
}

func (r *reader) flowList(start *token.Token) *value {
	defer r.enter()()
	l := &value{kind: list, at: positionOf(start)}
	for {
		switch t := r.peek(); {
		case t == nil:
			r.fail(l.at, "the list that begins here is not closed: add ]")
			return l
		case t.Type == token.SequenceEndType:
			r.next++
			return l
		case t.Type == token.CollectEntryType:
			r.fail(positionOf(t), "a comma without a value before it: remove it")
		case r.isKey():
			r.fail(positionOf(t), "a key in a list: write {%s: ...}", shorten(t.Value))
		default:
			l.items = append(l.items, r.flow())
			r.separator(token.SequenceEndType, "expected , or ] here: a comma is missing or the list in [ ] is not closed")
		}
	}
}

func (r *reader) flowMapping(start *token.Token) *value {
	defer r.enter()()
	m := &value{kind: mapping, at: positionOf(start)}
	for {
		switch t := r.peek(); {
		case t == nil:
			r.fail(m.at, "the mapping that begins here is not closed: add }")
			return m
		case t.Type == token.MappingEndType:
			r.next++
			return m
		case t.Type == token.CollectEntryType:
			r.fail(positionOf(t), "a comma without a key before it: remove it")
		case !r.isKey() || strings.Contains(t.Origin, "\n") && t.Position.Line != r.tokens[r.next+1].Position.Line:
			message := "expected a key followed by a colon and a space"
			if len(m.entries) > 0 {
				message += "; a comma inside { } ends a value: put a value that has one in quotes"
			}
			r.failAt(t, message)
		default:
			m.entries = append(m.entries, r.flowEntry(t))
			r.separator(token.MappingEndType, "expected , or } here: a comma is missing, the mapping in { } is not closed, or a value such as ${NAME} or a[0] has no quotes")
		}
	}
}

func (r *reader) flowEntry(key *token.Token) entry {
	r.next += 2
	e := entry{name: key.Value, at: positionOf(key)}
	if r.is(token.CollectEntryType) || r.is(token.MappingEndType) {
		e.value = &value{at: e.at}
		return e
	}
	e.value = r.flow()
	return e
}

// separator reads the comma after a value of a flow list or mapping; its end may come instead.
func (r *reader) separator(end token.Type, message string) {
	switch t := r.peek(); {
	case t == nil || t.Type == end: // the loop of the list or mapping deals with it
	case t.Type == token.CollectEntryType:
		r.next++
	default:
		r.failAt(t, message)
	}
}

// isText are the tokens that announce the lines of a text.
var isText = map[token.Type]bool{token.LiteralType: true, token.FoldedType: true}

// text reads the lines after | or >.
func (r *reader) text(header *token.Token) *value {
	v := &value{kind: scalar, style: quoted, at: positionOf(header)}
	if r.is(token.StringType) {
		v.text = r.token().Value
		r.next++
	}
	return v
}

// isScalar are the tokens that are one whole scalar.
var isScalar = map[token.Type]bool{
	token.StringType: true, token.SingleQuoteType: true, token.DoubleQuoteType: true,
	token.BoolType: true, token.NullType: true,
	token.IntegerType: true, token.BinaryIntegerType: true, token.OctetIntegerType: true, token.HexIntegerType: true,
	token.FloatType: true, token.InfinityType: true, token.NanType: true,
}

func (r *reader) scalar(t *token.Token) *value {
	v := &value{kind: scalar, at: positionOf(t), text: t.Value}
	switch {
	case !isScalar[t.Type]:
		r.failAt(t, stray(t.Type))
	case t.Type == token.NullType:
		v.kind = null
	case t.Type == token.BoolType:
		v.style = boolean
	case t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType:
		v.style = quoted
	case t.Type != token.StringType:
		v.style = number
	case strings.Contains(v.text, ": ") || v.text != "" && strings.ContainsRune(",[]{}", rune(v.text[0])):
		// [YAML 1.2.2, 7.3.3]: the lexer is more generous here than the standard.
		r.fail(v.at, "text that begins with a bracket or comma, or has a colon and a space in it: put it in quotes")
	}
	return v
}
