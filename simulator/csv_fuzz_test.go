package simulator

import (
	"math"
	"strings"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/profile"
)

// Whatever a list of registers says, it is refused in words, or gives registers that a
// device can have, unless two of them are in each other's way.
func FuzzRegisters(f *testing.F) {
	for _, text := range []string{
		"table,address,type,value,access\nholding,0x10,int16,-20,rw\ncoil,5,,on,ro:3\ninput,1,,0xBEEF,\n",
		"address,table,count,name,type\n1,holding,4,a b,string\n",
		"table,address,name,value\nholding,1,\"a: {\n\",\"}\"\n",
		"\ufefftable,address\nholding,1\nholding,1\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		registers, err := parseRegisters(strings.NewReader(text))
		if err != nil {
			if err.Error() == "" || len(registers) > 0 {
				t.Fatalf("%d registers, %q", len(registers), err)
			}
			return
		}
		if len(registers) == 0 {
			t.Fatal("no registers, and no reason")
		}
		for _, r := range registers {
			if err := r.Check(); err != nil {
				t.Fatalf("%+v: %v", r, err)
			}
			if r.Table == modbus.InputRegisters && !r.ReadOnly {
				t.Fatalf("an input register can be written: %+v", r)
			}
		}
	})
}

// Whatever is recorded, it has a value at any time, or none.
func FuzzReplay(f *testing.F) {
	f.Add("t,v\n0,1\n1,2\n", "v", "t", int64(1500), 1.0, true)
	f.Add("when,v\n2026-11-24T12:00:00Z,1\n2026-11-24T12:00:00Z,\n", "2", "when", int64(0), 1e6, false)
	f.Add("v\n-1e300\n", "v", "", int64(9e12), 1e-6, true)
	f.Fuzz(func(t *testing.T, text, column, times string, ms int64, speed float64, loop bool) {
		m := &profile.Replay{Column: column, Time: times, Speed: min(max(speed, 1e-6), 1e6), Loop: loop}
		if times == "" {
			m.Every = time.Second
		}
		file := &recordingFile{columns: map[string]*columnReader{}, timelines: map[clockwork]*timelineReader{}}
		c, at := file.want(m)
		if file.read(strings.NewReader(text)) != nil || c.err != nil || at.err != nil {
			return
		}
		r := &replay{&c.column, &at.timeline, m.Speed, m.Loop}
		for _, after := range []time.Duration{0, time.Duration(max(0, ms)%1e12) * time.Millisecond, math.MaxInt64} {
			if v := r.at(after); math.IsInf(v, 0) {
				t.Fatalf("%v after %v", v, after)
			}
		}
	})
}
