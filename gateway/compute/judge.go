package compute

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// judge lets through what is cheap and has a meaning for readings.
type judge struct{ err error }

var operators = strings.Fields("+ - * / ** ^ == != < > <= >= and or not && || ! in")

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
		j.err = &Error{
			Column:  (*node).Location().From + 1,
			Message: "this cannot stand in a computed reading: known are numbers, readings, + - * / **, comparisons, and or not in, ?:, and " + strings.Join(Functions(), ", "),
		}
	}
}
