package device

import (
	"fmt"
	"math"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
	"modferry/modbus/server"
)

// load reads a field out of the tables.
func load(t *server.Tables, f register.Field) (register.Value, error) {
	values := make([]uint16, f.Quantity())
	for i := range values {
		values[i], _ = t.Get(f.Table, f.Address+uint16(i))
	}
	return f.Decode(data(f, values))
}

// store writes a number into every place of a field.
func store(t *server.Tables, f register.Field, number float64) error {
	return put(t, f, register.Number(number))
}

// put writes a value into every place of a field, or a list into them one by one.
func put(t *server.Tables, f register.Field, v register.Value) error {
	if f.IsBlock() && v.Items() == nil {
		items := make([]register.Value, f.Count)
		for i := range items {
			items[i] = v
		}
		v = register.List(items)
	}
	b, err := f.AppendData(nil, v)
	if err != nil {
		return err
	}
	if !t.Set(f.Table, f.Address, contents(f, b)...) {
		return fmt.Errorf("%d %s from address %d are not there", f.Quantity(), f.Table, f.Address)
	}
	return nil
}

// data returns the contents of a field's addresses as the data of a reply.
func data(f register.Field, values []uint16) []byte {
	if !f.Table.IsBits() {
		return modbus.AppendRegisters(nil, values...)
	}
	on := make([]bool, len(values))
	for i, v := range values {
		on[i] = v != 0
	}
	return modbus.AppendBits(nil, on)
}

// contents is the inverse of data.
func contents(f register.Field, data []byte) []uint16 {
	if !f.Table.IsBits() {
		return modbus.Registers(data)
	}
	values := make([]uint16, f.Quantity())
	for i, on := range modbus.Bits(data, len(values)) {
		if on {
			values[i] = 1
		}
	}
	return values
}

// judge decides about what a register would hold after a write, and replaces codes
// by what they read back as.
func judge(r *profile.Register, values []uint16) (exception byte) {
	v, err := r.Decode(data(r.Field, values))
	if err != nil {
		return modbus.IllegalDataValue // what means no data is no value to write
	}
	if len(r.Codes) > 0 && !resolve(r, &v, values) {
		return modbus.IllegalDataValue
	}
	if r.IsText() {
		return 0
	}
	items := v.Items()
	if items == nil {
		items = []register.Value{v}
	}
	for _, item := range items {
		n := item.Float()
		if !(n >= r.Min && n <= r.Max) || r.Role != profile.Plain && n != math.Trunc(n) {
			return modbus.IllegalDataValue
		}
	}
	return 0
}

// resolve replaces a code or its meaning by the one that the register keeps; it is
// false for what is neither.
func resolve(r *profile.Register, v *register.Value, values []uint16) bool {
	for _, c := range r.Codes {
		if n := v.Float(); n != float64(c.Written) && n != float64(c.Means) {
			continue
		}
		kept := c.Means
		if r.Coded {
			kept = c.Written
		}
		*v = register.Number(float64(kept))
		b, err := r.AppendData(nil, *v)
		copy(values, contents(r.Field, b))
		return err == nil
	}
	return false
}

// beyondLimits reports whether a request reads more than the device can send at once.
func (d *Device) beyondLimits(q modbus.PDU) bool {
	limits := d.profile.Limits
	if limits.Registers == modbus.MaxReadRegisters && limits.Bits == modbus.MaxReadBits || modbus.IsWrite(q.FunctionCode) {
		return false
	}
	for _, s := range modbus.Spans(q) {
		most := limits.Registers
		if s.Table.IsBits() {
			most = limits.Bits
		}
		if most > 0 && s.Quantity > most {
			return true
		}
	}
	return false
}
