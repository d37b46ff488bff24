package strictyaml

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

type kind uint8

const (
	null kind = iota
	scalar
	mapping
	list
)

// value is the file's content, free of the parser's types.
type value struct {
	kind         kind
	text         string // of a scalar, as written for plain ones
	style        style
	line, column int
	entries      []entry
	items        []*value
}

// style is how a scalar is written, which is all that YAML's types are to a strict reader.
type style uint8

const (
	plain style = iota
	number
	boolean
	quoted
)

type entry struct {
	name         string
	line, column int
	value        *value
}

// position is where a value is reported if its own place is not better.
type position struct{ line, column int }

func positionOf(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// convert turns a node of the parser into a value. key is the place of the key that
// names it, nil in a list and at the root.
func (d *Document) convert(n ast.Node, key *position, depth int) *value {
	if depth > MaxDepth {
		at := positionOf(n.GetToken())
		d.addf(at.line, at.column, "more than %d mappings and lists inside each other: this is no configuration that can be read", MaxDepth)
		return &value{line: at.line, column: at.column}
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return d.convertMapping(n.Values, n.IsFlowStyle, n.Start, key, depth)
	case *ast.MappingValueNode:
		return d.convertMapping([]*ast.MappingValueNode{n}, n.IsFlowStyle, n.Start, key, depth)
	case *ast.SequenceNode:
		return d.convertList(n, key, depth)
	}
	return d.convertScalar(n, key)
}

func (d *Document) convertMapping(values []*ast.MappingValueNode, flow bool, start *token.Token, key *position, depth int) *value {
	at := positionOf(start)
	if !flow && key != nil {
		at = *key
	} else if !flow && len(values) > 0 {
		at = positionOf(values[0].Key.GetToken())
	}
	v := &value{kind: mapping, line: at.line, column: at.column, entries: make([]entry, 0, len(values))}
	for _, mv := range values {
		t := mv.Key.GetToken()
		p := positionOf(t)
		v.entries = append(v.entries, entry{t.Value, p.line, p.column, d.convert(mv.Value, &p, depth+1)})
	}
	return v
}

func (d *Document) convertList(n *ast.SequenceNode, key *position, depth int) *value {
	at := positionOf(n.Start)
	if !n.IsFlowStyle && key != nil {
		at = *key
	}
	v := &value{kind: list, line: at.line, column: at.column, items: make([]*value, 0, len(n.Values))}
	for _, item := range n.Values {
		v.items = append(v.items, d.convert(item, nil, depth+1))
	}
	return v
}

func (d *Document) convertScalar(n ast.Node, key *position) *value {
	t := n.GetToken()
	at := positionOf(t)
	v := &value{kind: scalar, text: t.Value, line: at.line, column: at.column}
	switch n := n.(type) {
	case *ast.NullNode:
		v.kind = null
		if t.Type == token.ImplicitNullType && key != nil {
			v.line, v.column = key.line, key.column
		}
	case *ast.BoolNode:
		v.style = boolean
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		v.style = number
	case *ast.LiteralNode:
		v.style, v.text = quoted, ""
		if n.Value != nil {
			v.text = n.Value.Value
		}
	case *ast.StringNode:
		if t.Type != token.StringType {
			v.style = quoted
		} else {
			v.text = strings.TrimSpace(t.Value)
		}
	default:
		d.addf(at.line, at.column, "expected a value, a mapping or a list: put this text in quotes")
	}
	return v
}
