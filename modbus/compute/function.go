package compute

import (
	"errors"
	"fmt"
	"math"

	"github.com/expr-lang/expr"
)

// Functions returns the functions that an expression may call, as they are called.
func Functions() []string {
	calls := make([]string, len(functions))
	for i, f := range functions {
		calls[i] = f.call
	}
	return append(calls, "total(x)", "total(x, modulus)")
}

// function is one of fixed meaning; signature says how many numbers it takes.
type function struct {
	name, call string
	signatures []any
	of         func(n []float64) float64
}

type (
	one  = func(any) float64
	two  = func(any, any) float64
	many = func(any, ...any) float64
)

var functions = []function{
	{"abs", "abs(x)", []any{new(one)}, func(n []float64) float64 { return math.Abs(n[0]) }},
	{"round", "round(x), round(x, decimals)", []any{new(one), new(two)}, round},
	{"floor", "floor(x)", []any{new(one)}, func(n []float64) float64 { return math.Floor(n[0]) }},
	{"ceil", "ceil(x)", []any{new(one)}, func(n []float64) float64 { return math.Ceil(n[0]) }},
	{"sqrt", "sqrt(x)", []any{new(one)}, func(n []float64) float64 { return math.Sqrt(n[0]) }},
	{"mod", "mod(x, y)", []any{new(two)}, func(n []float64) float64 { return math.Mod(n[0], n[1]) }},
	{"min", "min(x, ...)", []any{new(many)}, func(n []float64) float64 { return fold(n, math.Min) }},
	{"max", "max(x, ...)", []any{new(many)}, func(n []float64) float64 { return fold(n, math.Max) }},
	{"sum", "sum(x, ...)", []any{new(many)}, sum},
	{"mean", "mean(x, ...)", []any{new(many)}, func(n []float64) float64 { return sum(n) / float64(len(n)) }},
	{"dew_point", "dew_point(temperature, humidity)", []any{new(two)}, func(n []float64) float64 { return dewPoint(n[0], n[1]) }},
}

// option gives the function to the expression language.
func (f function) option() expr.Option {
	return expr.Function(f.name, func(params ...any) (any, error) {
		n, err := numbers(params)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.call, err)
		}
		return f.of(n), nil
	}, f.signatures...)
}

var errNoNumber = errors.New("it needs numbers")

// numbers returns parameters as numbers; a block counts as each of its items.
func numbers(params []any) (n []float64, err error) {
	for _, p := range params {
		switch v := p.(type) {
		case []any:
			items, err := numbers(v)
			if err != nil {
				return nil, err
			}
			n = append(n, items...)
		default:
			number, ok := float(p)
			if !ok {
				return nil, errNoNumber
			}
			n = append(n, number)
		}
	}
	if len(n) == 0 {
		return nil, errNoNumber
	}
	return n, nil
}

func float(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, true
	case int:
		return float64(n), true
	case bool:
		if n {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

func fold(n []float64, by func(a, b float64) float64) float64 {
	result := n[0]
	for _, v := range n[1:] {
		result = by(result, v)
	}
	return result
}

func sum(n []float64) float64 { return fold(n, func(a, b float64) float64 { return a + b }) }

// round rounds half away from zero, to whole numbers or to decimals.
func round(n []float64) float64 {
	if len(n) < 2 {
		return math.Round(n[0])
	}
	by := math.Pow(10, math.Trunc(n[1]))
	return math.Round(trim(n[0]*by)) / by
}

// dewPoint is in °C, of a temperature in °C and a relative humidity in percent, by the
// Magnus formula over water [WMO-No. 8, annex 4.B]. It is good to about 0.1 K from
// -45 to 60 °C, so it has two decimals.
func dewPoint(temperature, humidity float64) float64 {
	const a, b = 17.62, 243.12
	gamma := math.Log(humidity/100) + a*temperature/(b+temperature)
	return round([]float64{b * gamma / (a - gamma), 2})
}
