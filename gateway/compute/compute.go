package compute

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"modferry/modbus/register"
)

// Bounds of one expression.
const (
	MaxLength = 1000 // bytes
	maxNodes  = 500  // numbers, names and operations
	maxMemory = 10_000
)

// Error says what is wrong with an expression, and where.
type Error struct {
	Column  int // of the first character that is wrong, counted from 1; 0 = the whole
	Message string
}

func (e *Error) Error() string {
	if e.Column == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s, at character %d", e.Message, e.Column)
}

// Expression is a compiled expression. One goroutine uses it.
type Expression struct {
	inputs  []string
	keys    []string // the inputs as the program knows them
	program *vm.Program
	machine vm.VM
	env     map[string]any
	counters
}

// Compile prepares an expression over readings of these names: reading for one of the
// same device, device.reading for one of another. Errors are [*Error].
func Compile(expression string, names []string) (*Expression, error) {
	if len(expression) > MaxLength {
		return nil, &Error{Message: fmt.Sprintf("the expression has %d characters: it must have at most %d", len(expression), MaxLength)}
	}
	if strings.ContainsFunc(expression, func(r rune) bool { return isEncoded(r) || isCall(r) }) {
		return nil, &Error{Message: "the expression has letters that cannot stand in one"}
	}
	e := &Expression{env: map[string]any{}}
	encoded, inputs, totals := encode(expression, names)
	e.totals = make([]Total, totals)
	known := types.Map{}
	for _, name := range inputs {
		e.inputs, e.keys = append(e.inputs, name), append(e.keys, encodeName(name))
		known[encodeName(name)] = types.Any
	}
	judge := &judge{}
	options := append(e.options(), expr.Env(known), expr.DisableAllBuiltins(), expr.MaxNodes(maxNodes), expr.Patch(judge))
	for _, f := range functions {
		options = append(options, f.option())
	}
	program, err := expr.Compile(encoded, options...)
	if judge.err != nil {
		err = judge.err
	}
	if err != nil {
		return nil, inWords(err, names)
	}
	e.program, e.machine = program, vm.VM{MemoryBudget: maxMemory}
	return e, nil
}

// Inputs returns the names that the expression uses, in the order of their first use.
func (e *Expression) Inputs() []string { return e.inputs }

// Totals returns what the calls of total have counted, for [Expression.Resume].
func (e *Expression) Totals() []Total { return append([]Total(nil), e.totals...) }

// Resume goes on with what was counted before, if the expression has as many totals.
func (e *Expression) Resume(totals []Total) {
	if len(totals) == len(e.totals) {
		copy(e.totals, totals)
	}
}

// ErrNoValue: nothing can be computed from these inputs.
var ErrNoValue = errors.New("the result is no number")

// Value computes the expression; value returns the present value of an input. The
// result is a number, a bool or a text. The error is [ErrNoValue], or says which
// operation does not go with its inputs.
func (e *Expression) Value(value func(name string) register.Value) (register.Value, error) {
	for i, name := range e.inputs {
		v := value(name)
		if v.IsNull() {
			return register.Value{}, ErrNoValue
		}
		e.env[e.keys[i]] = operand(v)
	}
	result, err := e.machine.Run(e.program, e.env)
	if err != nil {
		return register.Value{}, inWords(err, nil)
	}
	return valueOf(result)
}

// operand is a value as the expression language knows it.
func operand(v register.Value) any {
	if on, ok := v.Bool(); ok {
		return on
	}
	if v.IsNumber() {
		return v.Float()
	}
	if items := v.Items(); items != nil {
		list := make([]any, len(items))
		for i, item := range items {
			list[i] = operand(item)
		}
		return list
	}
	if v.IsNull() {
		return nil
	}
	return v.String()
}

func valueOf(result any) (register.Value, error) {
	if on, ok := result.(bool); ok {
		return register.BoolValue(on), nil
	}
	n, ok := float(result)
	if n = trim(n); !ok || math.IsNaN(n) || math.IsInf(n, 0) {
		return register.Value{}, ErrNoValue
	}
	return register.Number(n), nil
}

// trim cuts what is beyond the 15 digits that a calculation keeps free of noise.
func trim(n float64) float64 {
	n, _ = strconv.ParseFloat(strconv.FormatFloat(n, 'g', 15, 64), 64)
	return n
}

// inWords puts an error of the expression language into the project's words.
func inWords(err error, names []string) error {
	var placed *file.Error
	if !errors.As(err, &placed) {
		return &Error{Message: decodeNames(err.Error())}
	}
	message := decodeNames(placed.Message)
	if name, ok := strings.CutPrefix(message, "unknown name "); ok {
		message = fmt.Sprintf("there is no reading and no function %s: readings are %s", name, listed(names))
	}
	return &Error{Column: placed.Column + 1, Message: message}
}

const mostListed = 20

func listed(names []string) string {
	if len(names) > mostListed {
		return strings.Join(names[:mostListed], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}
