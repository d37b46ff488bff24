package profile_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/profile/golden"
	"modferry/modbus/register"
)

func load(t *testing.T, name string) *profile.Profile {
	t.Helper()
	p, err := profile.Load(shipped, name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The readings of each shipped profile find the documented values in golden replies.
func TestGoldenReplies(t *testing.T) {
	for _, name := range profile.Names(shipped) {
		t.Run(name, func(t *testing.T) {
			p, g := load(t, name), loadGolden(t, name)
			reads := 0
			for _, f := range g.Frames {
				if err := modbus.Answers(f.Request, f.Reply); err != nil {
					t.Errorf("% X: %v", f.Reply.PDU.Data, err)
				} else if !modbus.IsWrite(f.Request.PDU.FunctionCode) {
					reads += checkReply(t, p, f)
				}
			}
			if reads == 0 {
				t.Error("no golden frame holds a reading")
			}
		})
	}
}

func loadGolden(t *testing.T, name string) golden.File {
	t.Helper()
	g, err := golden.Load(shipped, name)
	if err != nil {
		t.Fatal(err)
	}
	if g.Source == "" || len(g.Frames) == 0 {
		t.Fatalf("golden frames of %s: source %q, %d frames", name, g.Source, len(g.Frames))
	}
	return g
}

// checkReply holds a reply against all readings that lie in it, and returns how many do.
func checkReply(t *testing.T, p *profile.Profile, f golden.Frame) (found int) {
	t.Helper()
	asked := modbus.Spans(f.Request.PDU)[0]
	for _, r := range p.Readings {
		s := r.Span()
		if s.Table != asked.Table || s.Address < asked.Address || s.End() > asked.End() {
			continue
		}
		found++
		got := decode(t, r, asked, f.Reply.PDU.Data[1:])
		i := slices.IndexFunc(f.Values, func(v golden.Text) bool { return v.Reading == r.Name })
		if i < 0 {
			t.Errorf("reading %s is %s in the frame from %d on, and not among its values", r.Name, got, asked.Address)
		} else if got != f.Values[i].Value {
			t.Errorf("reading %s is %s, documented is %s", r.Name, got, f.Values[i].Value)
		}
	}
	if len(f.Values) != found {
		t.Errorf("the frame from %d on has %d values and %d readings", asked.Address, len(f.Values), found)
	}
	return found
}

func decode(t *testing.T, r profile.Reading, asked modbus.Span, data []byte) string {
	t.Helper()
	at := int(r.Address - asked.Address)
	part := data[min(2*at, len(data)):]
	if asked.Table == modbus.Coils || asked.Table == modbus.DiscreteInputs {
		part = modbus.AppendBits(nil, modbus.Bits(data, asked.Quantity)[at:])
	}
	v, err := r.Decode(part[:r.DataSize()])
	if errors.Is(err, register.ErrNoData) {
		return golden.None
	} else if err != nil {
		t.Errorf("reading %s: %v", r.Name, err)
	}
	return v.String()
}

// A golden file without its profile is a slip of the pen.
func TestGoldenFilesHaveProfiles(t *testing.T) {
	files, err := fs.Glob(shipped, "profiles/golden/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	known := profile.Names(shipped)
	for _, file := range files {
		if name := strings.TrimSuffix(strings.TrimPrefix(file, "profiles/golden/"), ".yaml"); !slices.Contains(known, name) {
			t.Errorf("%s: there is no profile %q", file, name)
		}
	}
}

// A measured quantity has a class, a unit, and a device that it is read from.
func TestShippedProfilesAreComplete(t *testing.T) {
	classless := []string{"g/kg", "kJ/kg"} // units of what has no class
	for _, name := range profile.Names(shipped) {
		p := load(t, name)
		if !strings.Contains(p.Source, "http") && name != "xy-md02" && name != "r4dcb08" {
			t.Errorf("%s: the source names no place: %s", name, p.Source)
		}
		if len(p.Functions) == 0 || len(p.Title) == 0 {
			t.Errorf("%s: title %q, functions %v", name, p.Title, p.Functions)
		}
		for _, r := range p.Readings {
			if r.Unit != "" && r.Class == "" && !slices.Contains(classless, r.Unit) {
				t.Errorf("%s: reading %s in %s has no class", name, r.Name, r.Unit)
			}
			if !slices.ContainsFunc(p.Registers, func(d profile.Register) bool { return d.Name == r.Name && d.Span() == r.Span() }) {
				t.Errorf("%s: the device has no register %s", name, r.Name)
			}
		}
		checkSettable(t, p)
	}
}

// checkSettable: what a profile offers for writing, its device can be written with.
func checkSettable(t *testing.T, p *profile.Profile) {
	t.Helper()
	for _, r := range p.Readings {
		if r.Set == nil {
			continue
		}
		single, many := modbus.WriteSingleRegister, modbus.WriteMultipleRegisters
		if r.Table == modbus.Coils {
			single, many = modbus.WriteSingleCoil, modbus.WriteMultipleCoils
		}
		if !slices.Contains(p.Functions, single) && !slices.Contains(p.Functions, many) {
			t.Errorf("%s: %s is settable, but the device answers only %v", p.Name, r.Name, p.Functions)
		}
		for _, d := range p.Registers {
			if d.Name == r.Name && (d.ReadOnly || r.Set.Min < d.Min || r.Set.Max > d.Max) {
				t.Errorf("%s: %s may be set from %v to %v, the device takes %v to %v", p.Name, r.Name, r.Set.Min, r.Set.Max, d.Min, d.Max)
			}
		}
	}
}
