package compute

import (
	"fmt"
	"math"

	"github.com/expr-lang/expr"
)

// Total is what total(x, modulus) has counted: it goes on where x begins again.
//
// It begins with the device's own count. Where x is less than before, it rolled over
// if the way on to modulus and from 0 to x is less than half of modulus; otherwise the
// device began again from 0, and x is what it counted since. What a device counted
// between its last reading and its restart is not known.
type Total struct {
	Begun bool    `json:"begun"`
	Last  float64 `json:"last"` // x
	Sum   float64 `json:"sum"`
}

// add takes a new x. A modulus of 0 means that x never rolls over.
func (t *Total) add(x, modulus float64) float64 {
	switch {
	case !t.Begun:
		t.Begun, t.Sum = true, x
	case x >= t.Last:
		t.Sum += x - t.Last
	case modulus > t.Last && x+modulus-t.Last < modulus/2:
		t.Sum += x + modulus - t.Last
	default:
		t.Sum += x
	}
	t.Last = x
	return t.Sum
}

const totalName = "total"

// counters are the calls of total in one expression.
type counters struct{ totals []Total }

// options give the calls to the expression language.
func (c *counters) options() []expr.Option {
	options := make([]expr.Option, len(c.totals))
	for i := range c.totals {
		options[i] = expr.Function(callName(i), func(params ...any) (any, error) {
			n, err := numbers(params)
			if err != nil || len(n) != len(params) {
				return nil, fmt.Errorf("total(x, modulus): %w", errNoNumber)
			}
			if x := n[0]; math.IsNaN(x) || math.IsInf(x, 0) {
				return x, nil
			}
			return c.totals[i].add(n[0], append(n, 0)[1]), nil
		}, new(one), new(two))
	}
	return options
}
