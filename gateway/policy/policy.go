// Package policy decides which requests may reach a line. It is pure and is asked
// on every path. Reading is always allowed; what may change a device is refused
// unless a rule allows it. Functions 08, 43 and those of vendors count as writes,
// because nobody can know what they do.
package policy

import (
	"fmt"
	"slices"

	"modferry/modbus"
)

// Range is From to To, both included.
type Range struct{ From, To int }

func (r Range) has(n int) bool { return r.From <= n && n <= r.To }

// Rule allows what all its fields match; a nil field matches everything.
// A rule that names addresses or values allows no function without addresses.
type Rule struct {
	Clients   []string // the <client> ending of the request topic; "" is the topic without one
	Units     []Range
	Functions []byte
	Addresses []Range
	Values    []Range // of registers, 0 to 65535, and of coils, 0 and 1
}

// Rules is what a bus allows beyond reading. Nil means: nothing.
type Rules []Rule

// Refusal says why a request may not reach the line, and the exception that answers it.
type Refusal struct {
	Exception byte // IllegalFunction, IllegalDataAddress or IllegalDataValue
	Reason    string
}

func (r *Refusal) Error() string { return r.Reason }

// Check returns nil if client may send p to unit, else a [*Refusal]. Every address
// of every span must be allowed, the read span of function 23 too, and every
// written value by a rule that allows its address.
// The PDU must have passed [modbus.CheckRequest].
func (rules Rules) Check(client string, unit byte, p modbus.PDU) error {
	if !modbus.IsWrite(p.FunctionCode) {
		return nil
	}
	candidates := rules.matching(client, unit, p.FunctionCode)
	spans := modbus.Spans(p)
	if len(spans) == 0 {
		candidates = slices.DeleteFunc(candidates, func(r Rule) bool { return r.Addresses != nil || r.Values != nil })
	}
	if len(candidates) == 0 {
		return refuse(modbus.IllegalFunction, "no rule of this bus allows %s function %d (%s) on unit %d",
			who(client), p.FunctionCode, functionName(p.FunctionCode), unit)
	}
	for _, s := range spans {
		if err := checkAddresses(candidates, s); err != nil {
			return err
		}
	}
	for _, s := range spans {
		if s.Write {
			return checkValues(candidates, s, p)
		}
	}
	return nil
}

func (rules Rules) matching(client string, unit, function byte) []Rule {
	var found []Rule
	for _, r := range rules {
		if (r.Clients == nil || slices.Contains(r.Clients, client)) &&
			inside(r.Units, int(unit)) &&
			(r.Functions == nil || slices.Contains(r.Functions, function)) {
			found = append(found, r)
		}
	}
	return found
}

func checkAddresses(candidates []Rule, s modbus.Span) error {
	for i := range s.Quantity {
		address := int(s.Address) + i
		if !slices.ContainsFunc(candidates, func(r Rule) bool { return inside(r.Addresses, address) }) {
			return refuse(modbus.IllegalDataAddress, "no rule of this bus allows address %d (0x%04X) of the %s", address, address, s.Table)
		}
	}
	return nil
}

func checkValues(candidates []Rule, s modbus.Span, p modbus.PDU) error {
	values, known := modbus.Written(p)
	for i, value := range values {
		address := int(s.Address) + i
		if !slices.ContainsFunc(candidates, func(r Rule) bool {
			return inside(r.Addresses, address) && (r.Values == nil || known && inside(r.Values, int(value)))
		}) {
			return refuse(modbus.IllegalDataValue, "no rule of this bus allows value %d at address %d (0x%04X)", value, address, address)
		}
	}
	return nil
}

// inside reports whether one of the ranges has n; nil ranges have everything.
func inside(ranges []Range, n int) bool {
	return ranges == nil || slices.ContainsFunc(ranges, func(r Range) bool { return r.has(n) })
}

func refuse(exception byte, format string, args ...any) error {
	return &Refusal{Exception: exception, Reason: fmt.Sprintf(format, args...)}
}

func who(client string) string {
	if client == "" {
		return "a client without a name"
	}
	return fmt.Sprintf("client %q", client)
}

func functionName(code byte) string {
	if name := modbus.FunctionName(code); name != "" {
		return name
	}
	return "not of the standard"
}
