package profile

import (
	"cmp"
	"math"
	"regexp"
	"strconv"
	"strings"

	"modferry/configs/strictyaml"
	"modferry/modbus"
	"modferry/modbus/register"
)

// checkName reports a name that cannot be part of a topic.
func checkName(key strictyaml.Node, name string) {
	if !names.MatchString(name) {
		key.Problemf("the name %s must have 1 to 64 letters, digits, _ or -", key.Shown())
	}
}

// DecodeReadings reads a mapping of names to readings, in its order. An absent one
// gives nil. What is wrong is reported at n's document, but for the expressions of
// computed readings, which are only text here.
func DecodeReadings(n strictyaml.Node) []Reading {
	var readings []Reading
	for _, e := range n.Map().Entries() {
		checkName(e.Key, e.Name)
		if e.Name == "status" {
			e.Key.Problemf("a reading cannot have the name status, which is the topic of the device's own state: choose another")
		}
		readings = append(readings, decodeReading(e))
	}
	return readings
}

func decodeReading(e strictyaml.Entry) Reading {
	m := e.Value.Map()
	defer m.Done()
	r := Reading{
		Name:        e.Name,
		Unit:        m.Get("unit").String(""),
		Class:       decodeClass(m.Get("class")),
		Every:       m.Get("every").Duration(0, MinEvery, 0),
		Heartbeat:   m.Get("heartbeat").Duration(0, MinHeartbeat, 0),
		MinInterval: m.Get("min_interval").Duration(0, 0, 0),
		Deadband:    decodeDeadband(m.Get("deadband")),
	}
	r.Title, _ = m.Get("title").Text()
	if compute := m.Get("compute"); compute.Present() {
		r.Compute, r.Field = decodeCompute(compute, m)
	} else {
		r.Field = decodeField(m)
	}
	if r.Deadband != (Deadband{}) && r.Compute == "" && r.Type != 0 && !r.IsNumber() {
		m.Get("deadband").Problemf("only numbers have a deadband: remove it")
	}
	r.Set = decodeSet(m.Get("set"), r)
	return r
}

// placeKeys are for readings that lie somewhere.
var placeKeys = []string{
	"input", "holding", "coil", "discrete", "bit", "bits", "count", "type", "order", "no_data", "every", "set",
}

// decodeCompute reads an expression and how its result is shown. The reading lies nowhere.
func decodeCompute(n strictyaml.Node, m *strictyaml.Map) (string, register.Field) {
	text, _ := n.Text()
	for _, key := range placeKeys {
		if m.Get(key).Present() {
			m.Get(key).Problemf("a computed reading has no %s, it comes from other readings: remove %s, or compute", key, key)
		}
	}
	f := decodeShown(m)
	result := f
	if result.Table, result.Type = modbus.HoldingRegisters, register.Float64; len(f.Names)+len(f.Flags) > 0 {
		result.Type = register.Int64
	}
	if err := result.Check(); err != nil {
		m.Node().Problemf("%v", err)
	}
	return text, f
}

var classes = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

func decodeClass(n strictyaml.Node) string {
	class, ok := n.Text()
	if ok && !classes.MatchString(class) {
		n.Problemf("expected what is measured in small letters, digits and _, such as temperature, got %s", n.Shown())
	}
	return class
}

// decodeDeadband takes a number of the reading's unit, or a percentage such as 2%.
func decodeDeadband(n strictyaml.Node) Deadband {
	text := n.String("")
	if n.IsMap() || n.IsList() || !n.Present() {
		return Deadband{}
	}
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	switch {
	case err != nil || !(v >= 0) || v > 1e300:
		n.Problemf("expected a number of at least 0 or a percentage such as 2%%, got %s", n.Shown())
	case percent && v > 100:
		n.Problemf("expected a percentage of at most 100, got %s", n.Shown())
	case percent:
		return Deadband{Percent: v}
	default:
		return Deadband{Absolute: v}
	}
	return Deadband{}
}

// decodeSet reads what may be written: numbers need limits, everything else is
// limited by what it is.
func decodeSet(n strictyaml.Node, r Reading) *Set {
	if !n.Present() {
		return nil
	}
	m := n.Map()
	defer m.Done()
	s := &Set{Verify: m.Get("verify").Bool(false)}
	low, high, step := m.Get("min"), m.Get("max"), m.Get("step")
	switch {
	case r.Compute != "" || r.Type == 0: // already reported
		return s
	case r.Table.IsInput():
		n.Problemf("%s cannot be written: remove set, or read from holding or coil", r.Table)
	case r.IsNumber():
		low, high = m.Need("min"), m.Need("max")
	case r.Type == register.Bool && len(r.Names) == 0:
		s.Max = 1
	default:
		refuseLimits(low, high, step)
		checkWritten(n, r.Field)
		return s
	}
	s.Min = number(low, s.Min)
	s.Max = number(high, s.Max)
	if step.Present() {
		s.Step = number(step, 1)
	}
	if s.Step < 0 || step.Present() && s.Step == 0 {
		step.Problemf("expected the distance of two values, above 0, got %s", step.Shown())
	}
	if low.Present() && high.Present() && s.Min > s.Max {
		n.Problemf("min %v is above max %v", s.Min, s.Max)
	}
	if r.IsNumber() && r.Check() == nil {
		checkLimit(low, r.Field, s.Min)
		checkLimit(high, r.Field, s.Max)
		checkStep(step, r.Field, s.Step)
	}
	return s
}

// checkWritten: each name stands for one number.
func checkWritten(n strictyaml.Node, f register.Field) {
	for i, name := range f.Names {
		for _, other := range f.Names[:i] {
			if other.Name == name.Name {
				n.Problemf("the numbers %d and %d have the same name %q, so nothing tells which is written: give them different names", other.Number, name.Number, name.Name)
				return
			}
		}
	}
}

// checkLimit: what may be written can be held.
func checkLimit(n strictyaml.Node, f register.Field, limit float64) {
	if !n.Present() {
		return
	}
	f.Count = 1
	var err error
	if f.IsPart() {
		_, _, err = f.Mask(register.Number(limit))
	} else {
		_, err = f.AppendData(nil, register.Number(limit))
	}
	if err != nil {
		n.Problemf("%v", err)
	}
}

// checkStep warns of steps between which there is no content.
func checkStep(n strictyaml.Node, f register.Field, step float64) {
	if step <= 0 || f.Type == register.Float32 || f.Type == register.Float64 {
		return
	}
	resolution := math.Abs(cmp.Or(f.Scale, 1))
	if steps := step / resolution; math.Abs(steps-math.Round(steps)) > 1e-9*steps || steps < 0.5 {
		n.Warnf("the register holds multiples of %v, so not all values in steps of %v can be written exactly: make step a multiple of the scale", resolution, step)
	}
}

func refuseLimits(nodes ...strictyaml.Node) {
	for _, n := range nodes {
		if n.Present() {
			n.Problemf("only numbers have min, max and step: remove it")
		}
	}
}
