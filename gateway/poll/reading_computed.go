package poll

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/compute"
	"modferry/modbus/register"
)

// computed is how a reading is computed from others.
type computed struct {
	expression *compute.Expression
	field      register.Field // what its result is written as
	counts     bool           // it has totals
	trouble    string         // that was logged last
}

// source returns what is known of a reading by its name in an expression.
type source func(name string) message.Sample

// compile prepares the readings that are computed and returns them, each after its
// inputs, and which readings of other devices they need. What is wrong with one is
// logged: it never has a value.
func (p *Poller) compile() (inOrder []*reading, foreign []string) {
	names := slices.Clone(p.o.Foreign)
	for _, r := range p.readings {
		names = append(names, r.Name)
	}
	for _, r := range p.readings {
		if r.Compute == "" {
			continue
		}
		expression, err := compute.Compile(r.Compute, compute.Scope{Device: p.o.Device.Name, Names: names})
		if err != nil {
			p.o.Log.Error("a reading cannot be computed", "reading", r.Name, "error", err)
			continue
		}
		r.computed = &computed{expression: expression, field: resultField(r.Field), counts: len(expression.Totals()) > 0}
		if r.computed.counts && p.o.Totals != nil {
			p.o.Totals.resume(p.o.Device.Name, r.Name, r.Compute, expression)
		}
	}
	order, err := compute.Order(names, p.uses)
	if err != nil {
		p.o.Log.Error("readings cannot be computed", "error", err)
	}
	for _, name := range order {
		if r := p.byName[name]; r != nil && r.computed != nil {
			inOrder = append(inOrder, r)
			foreign = append(foreign, slices.DeleteFunc(slices.Clone(p.uses(name)), func(n string) bool { return p.byName[n] != nil })...)
		}
	}
	return inOrder, foreign
}

// uses returns what a reading is computed from.
func (p *Poller) uses(name string) []string {
	if r := p.byName[name]; r != nil && r.computed != nil {
		return r.computed.expression.Inputs()
	}
	return nil
}

// resultField turns the result of an expression into a value with the scale, decimals
// and names that were configured, as if a register had it.
func resultField(f register.Field) register.Field {
	f.Table, f.Address, f.Type, f.Order, f.Count, f.Bit, f.Width, f.NoData = modbus.HoldingRegisters, 0, register.Float64, register.Big, 0, -1, 0, nil
	if len(f.Names) > 0 || len(f.Flags) > 0 {
		f.Type = register.Int64
	}
	return f
}

// compute takes what is known of the inputs, and reports whether there is something
// to publish. The result is as old as its oldest input, and as good as the worst.
func (r *reading) compute(from source, now time.Time) (publish bool, err error) {
	quality, oldest := message.Good, now
	for _, name := range r.computed.expression.Inputs() {
		input := from(name)
		if input.Quality == "" { // not read yet: it will be, or become bad
			return r.isDue(now), nil
		}
		quality = worse(quality, input.Quality)
		if input.Time.Before(oldest) {
			oldest = input.Time
		}
	}
	if quality == message.Bad {
		return r.failed(now), nil
	}
	value, err := r.computed.expression.Value(func(name string) register.Value { return from(name).Value })
	if err == nil {
		value, err = r.computed.result(value)
	}
	if err != nil {
		return r.failed(now), err
	}
	r.value, r.quality, r.time = value, quality, oldest
	return r.isFreshDue(now), nil
}

func (c *computed) result(v register.Value) (register.Value, error) {
	if _, isBool := v.Bool(); !v.IsNumber() && (!isBool || c.field.Type != register.Int64) {
		return v, nil
	}
	n := v.Float()
	raw := math.Float64bits(n)
	if c.field.Type == register.Int64 {
		raw = uint64(int64(math.Round(n)))
	}
	return c.field.Decode(binary.BigEndian.AppendUint64(nil, raw))
}

func worse(a, b message.Quality) message.Quality {
	switch {
	case a == message.Bad || b == message.Bad:
		return message.Bad
	case a == message.Stale || b == message.Stale:
		return message.Stale
	}
	return message.Good
}

// computeAll computes what is computed, and publishes what is due. It is called with p.mu held.
func (p *Poller) computeAll(foreign map[string]message.Sample, now time.Time) {
	for _, r := range p.computed {
		publish, err := r.compute(func(name string) message.Sample {
			if r := p.byName[name]; r != nil {
				return r.sample()
			}
			return foreign[name]
		}, now)
		r.computed.log(p, r.Name, err)
		if r.computed.counts && p.o.Totals != nil {
			p.o.Totals.keep(p.o.Device.Name, r.Name, r.Compute, r.computed.expression)
		}
		if publish {
			p.publish(r, now)
		}
	}
}

func (c *computed) log(p *Poller, name string, err error) {
	trouble := ""
	if err != nil {
		trouble = err.Error()
	}
	if trouble != c.trouble {
		if c.trouble = trouble; err != nil {
			p.o.Log.Warn("a reading cannot be computed from its present inputs", "reading", name, "error", err)
		}
	}
}
