package simulator

import (
	"fmt"

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
	v := register.Number(number)
	if f.Count > 1 {
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
	if !isBits(f) {
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
	if !isBits(f) {
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

func isBits(f register.Field) bool {
	return f.Table == modbus.Coils || f.Table == modbus.DiscreteInputs
}

// judge decides about what a register would hold after a write, and replaces codes
// by their meaning.
func judge(r profile.Register, values []uint16) (exception byte) {
	if len(r.Codes) > 0 && !resolve(r.Codes, values) {
		return modbus.IllegalDataValue
	}
	v, err := r.Decode(data(r.Field, values))
	if err != nil {
		return modbus.IllegalDataValue // what means no data is no value to write
	}
	items := v.Items()
	if items == nil {
		items = []register.Value{v}
	}
	for _, item := range items {
		if n := item.Float(); !(n >= r.Min && n <= r.Max) {
			return modbus.IllegalDataValue
		}
	}
	return 0
}

// resolve replaces a code by its meaning; it is false for what is neither.
func resolve(codes []profile.Code, values []uint16) bool {
	for _, c := range codes {
		if values[0] == c.Written || values[0] == c.Means {
			values[0] = c.Means
			return true
		}
	}
	return false
}
