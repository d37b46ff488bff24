package profile

import (
	"fmt"
	"math"
	"slices"
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
	MinEvery     = time.Millisecond
	MinHeartbeat = 10 * time.Millisecond
)

func decode(n strictyaml.Node) *Profile {
	m := n.Map()
	defer m.Done()
	p := &Profile{
		Unit:      byte(m.Get("unit").Int(DefaultUnit, 1, int(modbus.MaxUnit))),
		Serial:    decodeSerial(m.Get("serial")),
		Every:     m.Get("every").Duration(DefaultEvery, MinEvery, 0),
		Heartbeat: m.Get("heartbeat").Duration(DefaultHeartbeat, MinHeartbeat, 0),
		Limits:    DecodeLimits(m.Get("limits"), DefaultLimits()),
		Readings:  DecodeReadings(m.Need("readings")),
	}
	p.Title, _ = m.Need("title").Text()
	p.Source, _ = m.Get("source").Text()
	p.decodeOwn(m)
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

// DecodeLimits reads what one read request may ask for; def is what is so if nothing
// is said. What is wrong is reported at n's document.
func DecodeLimits(n strictyaml.Node, def Limits) Limits {
	m := n.Map()
	defer m.Done()
	return Limits{
		Registers: m.Get("registers").Int(def.Registers, 1, modbus.MaxReadRegisters),
		Bits:      m.Get("bits").Int(def.Bits, 1, modbus.MaxReadBits),
		Gap:       m.Get("gap").Int(def.Gap, 0, MaxGap),
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

func number(n strictyaml.Node, def float64) float64 {
	return n.Float(def, -math.MaxFloat64, math.MaxFloat64)
}

func listed(words []string) string {
	return fmt.Sprintf("%s or %s", strings.Join(words[:len(words)-1], ", "), words[len(words)-1])
}
