package profile

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"modferry/configs/strictyaml"
)

// modelKeys are the keys of which a register may have one.
var modelKeys = []struct {
	key    string
	decode func(n strictyaml.Node, m *strictyaml.Map) Model
}{
	{"wave", decodeWave},
	{"rises", decodeCounter},
	{"saw", slope("period", func(s Sensor, from, to float64, period time.Duration) Model { return &Saw{s, from, to, period} })},
	{"ramp", slope("over", func(s Sensor, from, to float64, over time.Duration) Model { return &Ramp{s, from, to, over} })},
	{"steps", decodeSteps},
	{"walk", decodeWalk},
	{"thermal", decodeThermal},
	{"replay", decodeReplay},
	{"compute", decodeFormula},
}

// decodeModel reads how the register m moves; nil if it does not.
func decodeModel(m *strictyaml.Map) Model {
	var model Model
	var first string
	for _, k := range modelKeys {
		n := m.Get(k.key)
		if !n.Present() {
			continue
		}
		decoded := k.decode(n, m)
		if first == "" {
			first, model = k.key, decoded
		} else {
			n.Problemf("a value has %s or %s, not both: remove one", first, k.key)
		}
	}
	if n := m.Get("rolls_over"); n.Present() && first != "rises" {
		n.Problemf("only what counts up rolls over: add rises, or remove this")
	}
	return model
}

func decodeSensor(m *strictyaml.Map) Sensor {
	return Sensor{
		Sample:     m.Get("sample").Duration(defaultSample, time.Millisecond, 0),
		Noise:      m.Get("noise").Float(0, 0, math.MaxFloat64),
		Resolution: m.Get("resolution").Float(0, 0, math.MaxFloat64),
	}
}

func decodeWave(n strictyaml.Node, _ *strictyaml.Map) Model {
	m := n.Map()
	defer m.Done()
	return &Wave{
		Sensor:    decodeSensor(m),
		Mean:      number(m.Need("mean"), 0),
		Amplitude: number(m.Get("amplitude"), 0),
		Period:    m.Get("period").Duration(time.Hour, time.Second, 0),
	}
}

func decodeCounter(n strictyaml.Node, register *strictyaml.Map) Model {
	return &Counter{
		Sensor: Sensor{Sample: defaultSample},
		Rises:  n.Float(0, 0, math.MaxFloat64),
		Rolls:  register.Get("rolls_over").Bool(false),
	}
}

// slope returns what decodes a way from one number to another, which takes the time of key.
func slope(key string, model func(s Sensor, from, to float64, takes time.Duration) Model) func(n strictyaml.Node, _ *strictyaml.Map) Model {
	return func(n strictyaml.Node, _ *strictyaml.Map) Model {
		m := n.Map()
		defer m.Done()
		return model(decodeSensor(m), number(m.Need("from"), 0), number(m.Need("to"), 0), m.Need(key).Duration(time.Hour, time.Millisecond, 0))
	}
}

func decodeSteps(n strictyaml.Node, _ *strictyaml.Map) Model {
	m := n.Map()
	defer m.Done()
	s := &Steps{
		Sensor: decodeSensor(m),
		Every:  m.Need("every").Duration(time.Second, time.Millisecond, 0),
		Loop:   m.Get("loop").Bool(true),
	}
	values := m.Need("values")
	for _, item := range values.List() {
		s.Values = append(s.Values, stepValue(item))
	}
	if values.IsList() && len(s.Values) == 0 {
		values.Problemf("the list is empty: add the values one after the other, such as [1, 2, 5]")
	}
	return s
}

// stepValue reads one of several values; none is that of a sensor without one.
func stepValue(n strictyaml.Node) float64 {
	if !n.IsMap() && !n.IsList() && n.String("") == "none" {
		return math.NaN()
	}
	return number(n, 0)
}

func decodeWalk(n strictyaml.Node, _ *strictyaml.Map) Model {
	m := n.Map()
	defer m.Done()
	return &Walk{Sensor: decodeSensor(m), Step: m.Need("step").Float(0, 0, math.MaxFloat64)}
}

func decodeThermal(n strictyaml.Node, _ *strictyaml.Map) Model {
	m := n.Map()
	defer m.Done()
	return &Thermal{
		Sensor:  decodeSensor(m),
		Follows: m.Need("follows").String(""),
		Switch:  m.Get("switch").String(""),
		Ambient: number(m.Get("ambient"), 0),
		Tau:     m.Need("tau").Duration(time.Minute, time.Millisecond, 0),
	}
}

func decodeReplay(n strictyaml.Node, _ *strictyaml.Map) Model {
	m := n.Map()
	defer m.Done()
	r := &Replay{
		Sensor: decodeSensor(m),
		File:   m.Need("file").String(""),
		Column: m.Need("column").String(""),
		Time:   m.Get("time").String(""),
		Every:  m.Get("every").Duration(0, time.Millisecond, 0),
		Speed:  m.Get("speed").Float(1, 1e-6, 1e6),
		Loop:   m.Get("loop").Bool(true),
	}
	if (r.Time == "") == (r.Every == 0) {
		n.Problemf("nothing tells when a row is valid: add either time, the column with the times, or every, such as 1s")
	}
	return r
}

func decodeFormula(n strictyaml.Node, _ *strictyaml.Map) Model {
	text, _ := n.Text()
	return &Formula{Sensor: Sensor{Sample: defaultSample}, Expression: text}
}

// beginning is what a register that moves measures at first, if nothing is said.
func beginning(m Model) float64 {
	switch m := m.(type) {
	case *Wave:
		return m.Mean
	case *Saw:
		return m.From
	case *Ramp:
		return m.From
	case *Steps:
		if len(m.Values) > 0 && !math.IsNaN(m.Values[0]) {
			return m.Values[0]
		}
	case *Thermal:
		return m.Ambient
	}
	return 0
}

// checkModel reports what is wrong with how register r moves, beside the others.
func checkModel(n strictyaml.Node, r Register, registers []Register) {
	if s, ok := r.Model.(*Steps); ok && len(r.NoData) == 0 && slices.ContainsFunc(s.Values, math.IsNaN) {
		n.Problemf("nothing means that there is no value: add no_data, such as 0x8000, or remove none from the steps")
	}
	t, ok := r.Model.(*Thermal)
	if !ok {
		return
	}
	for _, name := range []string{t.Follows, t.Switch} {
		i := slices.IndexFunc(registers, func(other Register) bool { return other.Name == name })
		if name == "" {
			continue // a missing one was reported
		}
		if i < 0 || registers[i].IsText() || registers[i].IsBlock() || registers[i].Moves() {
			n.Problemf("thermal must name a register with one value that does not move by itself, there is none named %q", name)
		}
	}
}

// Locate lets the files that registers name lie in a folder.
func (p *Profile) Locate(folder string) {
	for _, r := range p.Registers {
		if m, ok := r.Model.(*Replay); ok && !filepath.IsAbs(m.File) && !strings.HasPrefix(m.File, "/") {
			m.File = filepath.Join(folder, m.File)
		}
	}
}
