package profile

import (
	"math"
	"time"

	"modferry/configs/strictyaml"
	"modferry/modbus"
	"modferry/modbus/register"
)

const defaultSample = time.Second

// decodeRegisters reads the device's own side. A register with the name of a
// reading has that reading's place and type.
func decodeRegisters(n strictyaml.Node, readings []Reading) []Register {
	var registers []Register
	entries := n.Map().Entries()
	for _, e := range entries {
		checkName(e.Key, e.Name)
		registers = append(registers, decodeRegister(e, readings))
	}
	for i, e := range entries {
		checkAmong(e.Value, i, registers)
	}
	return registers
}

func decodeRegister(e strictyaml.Entry, readings []Reading) Register {
	m := e.Value.Map()
	defer m.Done()
	r := Register{Name: e.Name, Field: registerField(m, e.Name, readings)}
	r.Initial = number(m.Get("initial"), 0)
	r.Min = number(m.Get("min"), math.Inf(-1))
	r.Max = number(m.Get("max"), math.Inf(1))
	r.ReadOnly = m.Get("read_only").Bool(false) || r.Table == modbus.InputRegisters || r.Table == modbus.DiscreteInputs
	r.Codes = decodeCodes(m.Get("codes"))
	r.Role = map[string]Role{"unit": UnitID, "baud": BaudRate}[m.Get("is").OneOf("", "unit", "baud")]
	r.Applies = map[string]Moment{"restart": AtRestart}[m.Get("applies").OneOf("", "at once", "restart")]
	r.Corrects = m.Get("corrects").String("")
	r.Wave = decodeWave(m.Get("wave"))
	checkRegister(m.Node(), r)
	return r
}

func registerField(m *strictyaml.Map, name string, readings []Reading) register.Field {
	for _, t := range tableKeys {
		if m.Get(t.key).Present() {
			return decodeField(m)
		}
	}
	for _, r := range readings {
		if r.Name == name {
			return r.Field
		}
	}
	return decodeField(m) // reports that the place is missing
}

func decodeCodes(n strictyaml.Node) []Code {
	var codes []Code
	for _, e := range n.Map().Entries() {
		written, ok := whole(e.Name)
		if !ok || written < 0 || written > math.MaxUint16 {
			e.Key.Problemf("expected a number from 0 to 65535, got %s", e.Key.Shown())
		}
		codes = append(codes, Code{uint16(written), uint16(e.Value.Int(0, 0, math.MaxUint16))})
	}
	return codes
}

func decodeWave(n strictyaml.Node) *Wave {
	if !n.Present() {
		return nil
	}
	m := n.Map()
	defer m.Done()
	return &Wave{
		Mean:      number(m.Need("mean"), 0),
		Amplitude: number(m.Get("amplitude"), 0),
		Period:    m.Get("period").Duration(time.Hour, time.Second, 0),
		Noise:     m.Get("noise").Float(0, 0, math.MaxFloat64),
		Sample:    m.Get("sample").Duration(defaultSample, time.Millisecond, 0),
	}
}

// checkRegister reports what is wrong with one register alone.
func checkRegister(n strictyaml.Node, r Register) {
	word := r.Table == modbus.HoldingRegisters && (r.Type == register.Uint16 || r.Type == register.Int16) && r.Count <= 1
	switch {
	case r.Check() != nil: // already reported
	case r.Type == register.Bool && r.Table > modbus.DiscreteInputs:
		n.Problemf("a device's own register is described whole: write it as uint16")
	case r.Min > r.Max:
		n.Problemf("min %v is above max %v", r.Min, r.Max)
	case r.Wave != nil && (!r.ReadOnly || r.Count > 1 || r.Type == register.Bool):
		n.Problemf("only one number that cannot be written moves by itself: use input, or add read_only: true")
	case (r.Role != Plain || len(r.Codes) > 0) && !word:
		n.Problemf("is and codes need one holding register of type uint16 or int16")
	case r.Initial < r.Min || r.Initial > r.Max:
		n.Problemf("initial %v is outside min and max", r.Initial)
	case !holds(r):
		n.Problemf("initial %v does not fit into %s", r.Initial, r.Type)
	}
}

func holds(r Register) bool {
	one := r.Field
	one.Count = 1
	_, err := one.AppendData(nil, register.Number(r.Initial))
	return err == nil
}

// checkAmong reports what is wrong with register i beside the others.
func checkAmong(n strictyaml.Node, i int, registers []Register) {
	r, corrected := registers[i], registers[i].Corrects == ""
	for j, other := range registers {
		if j < i && overlap(r.Span(), other.Span()) {
			n.Problemf("it lies on the same %s as %s", r.Table, other.Name)
		}
		if j < i && r.Role != Plain && r.Role == other.Role {
			n.Problemf("%s already is what this register is said to be: keep one", other.Name)
		}
		if other.Name == r.Corrects {
			corrected = other.Wave != nil
		}
	}
	if !corrected {
		n.Problemf("corrects must name a register with a wave, there is none named %q", r.Corrects)
	}
}

func overlap(a, b modbus.Span) bool {
	return a.Table != 0 && a.Table == b.Table && int(a.Address) < b.End() && int(b.Address) < a.End()
}
