package compute

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
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
	result  Kind
	names   []string // of the inputs, as they are written
	keys    []string // likewise, as the program knows them
	own     string   // what may stand before a name and mean nothing
	program *vm.Program
	machine vm.VM
	env     map[string]any
	counters
}

// Scope is what an expression can use.
type Scope struct {
	Device string                 // whose readings they are; "" = none
	Names  []string               // of readings: reading for one of the same device, device.reading for one of another
	KindOf func(name string) Kind // nil = nothing is known
}

// Compile prepares an expression over readings. A reading of the same device may be
// named with it, too. What does not go with the kinds of the readings is a mistake, as
// is a result that is not one value. Errors are [*Error].
func Compile(expression string, s Scope) (*Expression, error) {
	if len(expression) > MaxLength {
		return nil, &Error{Message: fmt.Sprintf("the expression has %d characters: it must have at most %d", len(expression), MaxLength)}
	}
	if strings.ContainsFunc(expression, func(r rune) bool { return isEncoded(r) || isCall(r) }) {
		return nil, &Error{Message: "the expression has letters that cannot stand in one"}
	}
	e := &Expression{env: map[string]any{}, own: s.Device + "."}
	encoded, used, totals := encode(expression, s.allNames())
	e.totals = make([]Total, totals)
	known := types.Map{}
	for _, name := range used {
		e.names, e.keys = append(e.names, name), append(e.keys, encodeName(name))
		if plain := e.plain(name); !slices.Contains(e.inputs, plain) {
			e.inputs = append(e.inputs, plain)
		}
		known[encodeName(name)] = types.Any
	}
	if err := e.compile(encoded, s, known); err != nil {
		return nil, inWords(err, s.Names)
	}
	return e, nil
}

// allNames returns the names, and those of the device's own with the device.
func (s Scope) allNames() []string {
	all := slices.Clone(s.Names)
	for _, name := range s.Names {
		if s.Device != "" && !strings.Contains(name, ".") {
			all = append(all, s.Device+"."+name)
		}
	}
	return all
}

// plain returns the name of a reading of the same device without it.
func (e *Expression) plain(name string) string { return strings.TrimPrefix(name, e.own) }

func (e *Expression) compile(encoded string, s Scope, known types.Map) error {
	judge := &judge{kinds: map[ast.Node]Kind{}, kindOf: func(encoded string) Kind {
		if s.KindOf == nil || !isEncoded([]rune(encoded)[0]) {
			return Kind{}
		}
		return s.KindOf(e.plain(decodeNames(encoded)))
	}}
	options := append(e.options(), expr.Env(known), expr.DisableAllBuiltins(), expr.MaxNodes(maxNodes), expr.Patch(judge))
	for _, f := range functions {
		options = append(options, f.option())
	}
	program, err := expr.Compile(encoded, options...)
	if judge.err != nil {
		return judge.err
	}
	if err != nil {
		return err
	}
	e.program, e.machine = program, vm.VM{MemoryBudget: maxMemory}
	if e.result = judge.kinds[judge.whole]; e.result.count > 0 || e.result.form == flags {
		return &Error{Message: "the result must be one value: " + e.result.noNumber(shown(judge.whole))}
	}
	return nil
}

// Inputs returns the names that the expression uses, in the order of their first use;
// those of the same device without it.
func (e *Expression) Inputs() []string { return e.inputs }

// Result returns the kind of the result.
func (e *Expression) Result() Kind { return e.result }

// Totals returns what the calls of total have counted, for [Expression.Resume].
func (e *Expression) Totals() []Total { return append([]Total(nil), e.totals...) }

// Resume goes on with what was counted before, if the expression has as many totals.
func (e *Expression) Resume(totals []Total) {
	if len(totals) == len(e.totals) {
		copy(e.totals, totals)
	}
}

// ErrNoValue: nothing can be computed from these inputs.
var ErrNoValue = errors.New("the result is no value")

// Value computes the expression; value returns the present value of an input. The
// result is a number, a bool or a text. The error is [ErrNoValue], or says which
// operation does not go with its inputs.
func (e *Expression) Value(value func(name string) register.Value) (register.Value, error) {
	for i, name := range e.names {
		v := value(e.plain(name))
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
	switch r := result.(type) {
	case bool:
		return register.BoolValue(r), nil
	case string:
		return register.Text(r), nil
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
	var judged *Error
	if errors.As(err, &judged) {
		return err
	}
	if !errors.As(err, &placed) {
		return &Error{Message: decodeNames(err.Error())}
	}
	message := plainWords(decodeNames(placed.Message))
	if name, ok := strings.CutPrefix(message, "unknown name "); ok {
		message = fmt.Sprintf("there is no reading and no function %s: readings are %s", name, listed(names))
	}
	return &Error{Column: placed.Column + 1, Message: message}
}

var unexpected = regexp.MustCompile(`^unexpected token \w+(?:\((.*)\))?$`)

// plainWords says what the expression language says of its tokens.
func plainWords(message string) string {
	m := unexpected.FindStringSubmatch(message)
	switch {
	case message == "unexpected token EOF" || message == "unexpected end of expression":
		return "something is missing at the end"
	case m != nil && m[1] != "":
		return m[1] + " cannot stand here"
	}
	return message
}

const mostListed = 20

func listed(names []string) string {
	if len(names) > mostListed {
		return strings.Join(names[:mostListed], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}
