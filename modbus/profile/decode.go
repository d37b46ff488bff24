package profile

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"modferry/configs/strictyaml"
	"modferry/modbus"
)

// What a profile says when it says nothing.
const (
	DefaultUnit      = 1
	DefaultEvery     = 5 * time.Second
	DefaultHeartbeat = time.Minute
)

// Shortest times of a reading; below them a line does nothing else.
const (
	minEvery     = 10 * time.Millisecond
	minHeartbeat = 10 * time.Millisecond
)

func decode(n strictyaml.Node) *Profile {
	m := n.Map()
	defer m.Done()
	p := &Profile{
		Title:     m.Need("title").String(""),
		Source:    m.Get("source").String(""),
		Unit:      byte(m.Get("unit").Int(DefaultUnit, 1, int(modbus.MaxUnit))),
		Serial:    decodeSerial(m.Get("serial")),
		Every:     m.Get("every").Duration(DefaultEvery, minEvery, 0),
		Heartbeat: m.Get("heartbeat").Duration(DefaultHeartbeat, minHeartbeat, 0),
		Readings:  DecodeReadings(m.Need("readings")),
	}
	p.Functions = decodeFunctions(m.Get("functions"))
	p.Registers = decodeRegisters(m.Get("registers"), p.Readings)
	return p
}

func decodeSerial(n strictyaml.Node) Serial {
	m := n.Map()
	defer m.Done()
	return Serial{
		Baud:     m.Get("baud").Int(9600, 50, 4_000_000),
		Parity:   m.Get("parity").OneOf("none", "none", "even", "odd", "mark", "space"),
		DataBits: m.Get("data_bits").Int(8, 5, 8),
		StopBits: m.Get("stop_bits").Int(1, 1, 2),
	}
}

func decodeFunctions(n strictyaml.Node) []byte {
	var codes []byte
	for _, item := range n.List() {
		if code, ok := functionCode(item.String("")); !ok {
			item.Problemf("expected the code or name of a function, got %s: known are %s", item.Shown(), strings.Join(modbus.FunctionNames(), ", "))
		} else if slices.Contains(codes, code) {
			item.Problemf("function %d is in the list twice: remove one", code)
		} else {
			codes = append(codes, code)
		}
	}
	return codes
}

func functionCode(text string) (byte, bool) {
	if code, ok := whole(text); ok {
		return byte(code), code > 0 && code < 128
	}
	return modbus.FunctionByName(text)
}

// checkName reports a name that cannot be part of a topic.
func checkName(key strictyaml.Node, name string) {
	if !names.MatchString(name) {
		key.Problemf("the name %s must have 1 to 64 letters, digits, _ or -", key.Shown())
	}
}

// DecodeReadings reads a mapping of names to readings, in its order. An absent one
// gives nil. What is wrong is reported at n's document.
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
		Name:      e.Name,
		Field:     decodeField(m),
		Unit:      m.Get("unit").String(""),
		Every:     m.Get("every").Duration(0, minEvery, 0),
		Heartbeat: m.Get("heartbeat").Duration(0, minHeartbeat, 0),
		Deadband:  decodeDeadband(m.Get("deadband")),
	}
	r.Set = decodeSet(m.Get("set"), r.Table)
	return r
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

func decodeSet(n strictyaml.Node, table modbus.Table) *Set {
	if !n.Present() {
		return nil
	}
	m := n.Map()
	defer m.Done()
	if table == modbus.InputRegisters || table == modbus.DiscreteInputs {
		n.Problemf("%s cannot be written: remove set, or read from holding or coil", table)
	}
	s := &Set{Min: number(m.Need("min"), -math.MaxFloat64), Max: number(m.Need("max"), math.MaxFloat64)}
	if s.Min > s.Max {
		n.Problemf("min %v is above max %v", s.Min, s.Max)
	}
	return s
}

func number(n strictyaml.Node, def float64) float64 {
	return n.Float(def, -math.MaxFloat64, math.MaxFloat64)
}

func listed(words []string) string {
	return fmt.Sprintf("%s or %s", strings.Join(words[:len(words)-1], ", "), words[len(words)-1])
}
