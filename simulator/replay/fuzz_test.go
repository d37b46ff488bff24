package replay

import (
	"math"
	"strings"
	"testing"
	"time"

	"modferry/modbus/profile"
)

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
		r := &Replay{&c.column, &at.timeline, m.Speed, m.Loop}
		for _, after := range []time.Duration{0, time.Duration(max(0, ms)%1e12) * time.Millisecond, math.MaxInt64} {
			if v := r.At(after); math.IsInf(v, 0) {
				t.Fatalf("%v after %v", v, after)
			}
		}
	})
}
