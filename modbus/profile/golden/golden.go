// Package golden reads the golden frames of the shipped device profiles: requests
// with the replies that the device gives, from its maker's documents where there are
// such. Tests hold a profile against them from both sides: its readings must find the
// documented values in a reply, and the virtual device must give exactly that reply.
//
//	source: the maker's manual, page 7
//	frames:
//	  - request: 01 04 00 01 00 02 20 0B
//	    reply: 01 04 04 01 31 02 22 2A CE
//	    device: {temperature: 30.5, humidity: 54.6}
//	    values: {temperature: "30.5", humidity: "54.6"}
//	    printed: the CRC of the reply is printed as D1BA
package golden

import (
	"fmt"
	"io/fs"
	"math"

	"modferry/configs/strictyaml"
	"modferry/modbus"
	"modferry/modbus/hextext"
)

// File is what profiles/golden/<name>.yaml holds.
type File struct {
	Source string
	Frames []Frame
}

// Frame is one exchange with a device.
type Frame struct {
	Request, Reply modbus.ADU // RTU, of good check codes

	Device []Number // what registers of the device hold before
	Values []Text   // what readings of the profile find in the reply
	After  []Number // what registers of the device hold afterwards

	Printed string // what the document has wrong
}

// Number is the content of a register; NaN is no value.
type Number struct {
	Register string
	Value    float64
}

// Text is the value of a reading as text; None is no value.
type Text struct{ Reading, Value string }

// None stands for a value that the device does not have.
const None = "none"

// Load reads profiles/golden/<name>.yaml of fsys.
func Load(fsys fs.FS, name string) (File, error) {
	file := "profiles/golden/" + name + ".yaml"
	data, err := fs.ReadFile(fsys, file)
	if err != nil {
		return File{}, fmt.Errorf("profile %s has no golden frames: %w", name, err)
	}
	doc := strictyaml.Parse(file, data, strictyaml.Options{})
	m := doc.Root().Map()
	f := File{Source: m.Need("source").String("")}
	for _, n := range m.Need("frames").List() {
		f.Frames = append(f.Frames, frame(n))
	}
	m.Done()
	return f, doc.Err()
}

func frame(n strictyaml.Node) Frame {
	m := n.Map()
	defer m.Done()
	return Frame{
		Request: adu(m.Need("request")),
		Reply:   adu(m.Need("reply")),
		Device:  numbers(m.Get("device")),
		Values:  texts(m.Get("values")),
		After:   numbers(m.Get("after")),
		Printed: m.Get("printed").String(""),
	}
}

func adu(n strictyaml.Node) modbus.ADU {
	b, _, err := hextext.Parse([]byte(n.String("")))
	if err != nil {
		n.Problemf("%v", err)
		return modbus.ADU{}
	}
	a, err := modbus.ParseRTU(b)
	if err != nil {
		n.Problemf("%v", err)
	}
	return a
}

func numbers(n strictyaml.Node) []Number {
	var all []Number
	for _, e := range n.Map().Entries() {
		v := math.NaN()
		if e.Value.String("") != None {
			v = e.Value.Float(0, -math.MaxFloat64, math.MaxFloat64)
		}
		all = append(all, Number{e.Name, v})
	}
	return all
}

func texts(n strictyaml.Node) []Text {
	var all []Text
	for _, e := range n.Map().Entries() {
		all = append(all, Text{e.Name, e.Value.String("")})
	}
	return all
}
