package compute

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// judge lets through what is cheap and has a meaning for readings, and goes with the
// kinds of those that are known.
type judge struct {
	kindOf func(encoded string) Kind
	kinds  map[ast.Node]Kind // of the parts that were visited
	whole  ast.Node          // what was visited last
	err    error
}

var arithmetic = strings.Fields("+ - * / ** ^")

var operators = append(strings.Fields("== != < > <= >= and or not && || ! in"), arithmetic...)

// Visit is called for each part of the expression, inner ones first.
func (j *judge) Visit(node *ast.Node) {
	if j.err != nil {
		return
	}
	allowed := true
	switch n := (*node).(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.ConstantNode, *ast.IdentifierNode, *ast.ConditionalNode, *ast.ArrayNode:
	case *ast.UnaryNode:
		allowed = slices.Contains(operators, n.Operator)
	case *ast.BinaryNode:
		allowed = slices.Contains(operators, n.Operator)
	case *ast.MemberNode:
		_, allowed = n.Property.(*ast.IntegerNode)
	case *ast.CallNode:
		_, allowed = n.Callee.(*ast.IdentifierNode)
	default:
		allowed = false
	}
	if !allowed {
		j.refuse(*node, "this cannot stand in a computed reading: known are numbers, readings, + - * / **, comparisons, and or not in, ?:, and %s", strings.Join(Functions(), ", "))
		return
	}
	j.kinds[*node], j.whole = j.kind(*node), *node
}

func (j *judge) refuse(node ast.Node, format string, args ...any) {
	for m, ok := node.(*ast.MemberNode); ok; m, ok = node.(*ast.MemberNode) {
		node = m.Node // a member is where its bracket is
	}
	if j.err == nil {
		j.err = &Error{Column: node.Location().From + 1, Message: fmt.Sprintf(format, args...)}
	}
}

// kind returns what a part of the expression results in.
func (j *judge) kind(node ast.Node) Kind {
	switch n := node.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return Kind{form: number}
	case *ast.BoolNode:
		return Kind{form: boolean}
	case *ast.StringNode:
		return Kind{form: text}
	case *ast.IdentifierNode:
		return j.kindOf(n.Value)
	case *ast.ArrayNode:
		return Kind{count: max(1, len(n.Nodes))}
	case *ast.UnaryNode:
		return j.unary(n)
	case *ast.BinaryNode:
		return j.binary(n)
	case *ast.ConditionalNode:
		return j.conditional(n)
	case *ast.MemberNode:
		return j.member(n)
	case *ast.CallNode:
		return j.call(n)
	}
	return Kind{}
}

func (j *judge) unary(n *ast.UnaryNode) Kind {
	if n.Operator == "+" || n.Operator == "-" {
		return j.needNumber(n.Node)
	}
	return j.needBool(n.Node)
}

func (j *judge) binary(n *ast.BinaryNode) Kind {
	left, right := j.kinds[n.Left], j.kinds[n.Right]
	switch n.Operator {
	case "and", "or", "&&", "||":
		j.needBool(n.Left)
		return j.needBool(n.Right)
	case "in":
		j.in(n)
	case "==", "!=":
		j.equal(n.Left, n.Right)
	case "<", ">", "<=", ">=":
		if !areTexts(left, right) || left.form == named || right.form == named { // times go in the order of their texts
			j.needNumber(n.Left)
			j.needNumber(n.Right)
		}
	case "+":
		if areTexts(left, right) {
			return Kind{form: text}
		}
		fallthrough
	default:
		j.needNumber(n.Left)
		j.needNumber(n.Right)
		if n.Operator == "+" && (left.form == unknown || right.form == unknown) {
			return Kind{}
		}
		return Kind{form: number}
	}
	return Kind{form: boolean}
}

// areTexts reports whether both may be texts, and one is.
func areTexts(a, b Kind) bool {
	return a.isOne(text, named) && b.isOne(text, named) && (a.form != unknown || b.form != unknown)
}

func (j *judge) needNumber(node ast.Node) Kind {
	if k := j.kinds[node]; !k.isOne(number) {
		j.refuse(node, "%s", k.noNumber(shown(node)))
	}
	return Kind{form: number}
}

func (j *judge) needBool(node ast.Node) Kind {
	if k := j.kinds[node]; !k.isOne(boolean) {
		j.refuse(node, "%s is not true or false: compare it with something", shown(node))
	}
	return Kind{form: boolean}
}

// in takes a list on the right: a literal one, a block, or flags.
func (j *judge) in(n *ast.BinaryNode) {
	left, right := j.kinds[n.Left], j.kinds[n.Right]
	word, isWord := n.Left.(*ast.StringNode)
	list, isList := n.Right.(*ast.ArrayNode)
	switch {
	case isList:
		for _, item := range list.Nodes {
			j.equal(n.Left, item)
		}
	case right.form == flags && (isWord && !right.hasName(word.Value) || !left.isOne(text, named)):
		j.refuse(n.Left, "%s is no flag of %s: they are %s", shown(n.Left), shown(n.Right), right.listed())
	case right.isOne(number, boolean, text, named) && right.form != unknown:
		j.refuse(n.Right, "%s is one value: write a list, as in %s in [1, 2]", shown(n.Right), shown(n.Left))
	}
}

// equal takes two values that can be equal.
func (j *judge) equal(a, b ast.Node) {
	left, right := j.kinds[a], j.kinds[b]
	if right.form == named && left.form != named {
		a, b, left, right = b, a, right, left
	}
	for node, k := range map[ast.Node]Kind{a: left, b: right} {
		if k.form == flags || k.count > 0 {
			j.refuse(node, "%s", k.noNumber(shown(node)))
		}
	}
	if left.form == named {
		j.equalName(a, b, left)
		return
	}
	if left.form != right.form && left.form != unknown && right.form != unknown {
		j.refuse(a, "%s and %s are never equal: %s, %s", shown(a), shown(b), left.words(), right.words())
	}
}

// equalName takes names that there are, and numbers that have none.
func (j *judge) equalName(a, b ast.Node, k Kind) {
	switch n := b.(type) {
	case *ast.StringNode:
		if !k.hasName(n.Value) {
			j.refuse(b, "%s is never %s: its names are %s", shown(a), shown(b), k.listed())
		}
	case *ast.IntegerNode:
		if name, ok := k.nameOf(int64(n.Value)); ok {
			j.refuse(b, "%s is compared by its names: write '%s' instead of %d", shown(a), name, n.Value)
		}
	case *ast.BoolNode:
		j.refuse(b, "%s is never %s: its names are %s", shown(a), shown(b), k.listed())
	}
}

func (j *judge) conditional(n *ast.ConditionalNode) Kind {
	j.needBool(n.Cond)
	one, other := j.kinds[n.Exp1], j.kinds[n.Exp2]
	switch {
	case one.form == other.form && one.count == other.count && one.form != named && one.form != flags:
		return one
	case one.form == text && other.IsText() || one.IsText() && other.form == text:
		return Kind{form: text}
	case one.count > 0 || one.form == flags:
		return one
	case other.count > 0 || other.form == flags:
		return other
	}
	return Kind{}
}

func (j *judge) member(n *ast.MemberNode) Kind {
	k := j.kinds[n.Node]
	index, _ := n.Property.(*ast.IntegerNode)
	switch {
	case k.form == unknown && k.count == 0:
	case k.count == 0 && k.form == flags:
		j.refuse(n, "%s", k.noNumber(shown(n.Node)))
	case k.count == 0:
		j.refuse(n, "%s is one value and has no items: write %s alone", shown(n.Node), shown(n.Node))
	case index.Value >= k.count:
		j.refuse(n, "%s has %d values, [0] to [%d]", shown(n.Node), k.count, k.count-1)
	}
	return k.item()
}

// ofBlocks are the functions that take blocks.
var ofBlocks = []string{"min", "max", "sum", "mean"}

func (j *judge) call(n *ast.CallNode) Kind {
	for _, arg := range n.Arguments {
		k := j.kinds[arg]
		name, _ := n.Callee.(*ast.IdentifierNode)
		if k.count > 0 && slices.Contains(ofBlocks, name.Value) {
			k.count = 0
		}
		if !k.isOne(number, boolean) { // a bool counts as 0 or 1
			j.refuse(arg, "%s", k.noNumber(shown(arg)))
		}
	}
	return Kind{form: number}
}

// words names the kind of one value.
func (k Kind) words() string {
	switch k.form {
	case number:
		return "one is a number"
	case boolean:
		return "one is true or false"
	}
	return "one is a text"
}

// shown returns a part of an expression as it was written.
func shown(node ast.Node) string { return decodeNames(node.String()) }
