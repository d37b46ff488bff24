package poll

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"modferry/gateway/message"
	"modferry/gateway/notebook"
	"modferry/modbus/compute"
)

// The process is killed: the file is up to a minute old. Nothing is missing in the total,
// as what it says goes with the counter's value then.
func TestTotalAfterAKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		d := &device{input: map[uint16]uint16{1: 100}}
		c := asJSON(computedReading("all", "total(pulses)"), input("pulses", 1))
		c.Readings[1].Scale = 1
		c.Name = "meter"
		before := OpenTotals(folder, quiet)
		defer following(t, before.Run)()
		running(t, d, c, Options{Totals: before})
		pass(5 * time.Second)
		d.set(1, 50, nil) // it began again
		pass(time.Minute)
		d.set(1, 80, nil)
		pass(30 * time.Second) // not written yet
		var all message.Sample
		killed := OpenTotals(folder, quiet) // what a new process finds
		d.set(1, 300, nil)
		running(t, d, c, Options{Totals: killed, Changed: func(name string, s message.Sample) {
			if name == "all" {
				all = s
			}
		}})
		pass(time.Second)
		if all.Value.String() != "400" {
			t.Errorf("%v, want 100 before and 300 after it began again", all.Value)
		}
	})
}

func TestDamagedTotals(t *testing.T) {
	good := `{"meter":{"all":{"expression":"total(a)","time":"2026-01-01T00:00:00Z","totals":[{"begun":true,"last":5,"sum":105}]}}}`
	for name, text := range map[string]string{
		"empty": "", "null": "null", "half": good[:len(good)/2], "binary": "\x00\xff\x00", "another type": "[1, 2]",
		"too long": `{"a":"` + strings.Repeat("x", notebook.MaxSize),
	} {
		folder := t.TempDir()
		path := filepath.Join(folder, totalsName)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o := OpenTotals(folder, quiet)
		if _, err := os.Stat(path + ".broken"); err != nil {
			t.Errorf("%s: it is not set aside: %v", name, err)
		}
		e, err := compute.Compile("total(a)", compute.Scope{Names: []string{"a"}})
		if err != nil {
			t.Fatal(err)
		}
		if o.resume("meter", "all", "total(a)", e); e.Totals()[0].Begun {
			t.Errorf("%s: it goes on with %+v", name, e.Totals())
		}
	}
}

func FuzzTotals(f *testing.F) {
	f.Add([]byte(`{"meter":{"all":{"expression":"total(a)","time":"2026-01-01T00:00:00Z","totals":[{"begun":true,"last":5,"sum":105}]}}}`))
	f.Add([]byte(`{"meter":null,"b":{"all":null}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		known, err := parseTotals(text)
		if err != nil {
			return
		}
		o := OpenTotals("", quiet)
		o.known = known
		e, err := compute.Compile("total(a)", compute.Scope{Names: []string{"a"}})
		if err != nil {
			t.Fatal(err)
		}
		o.resume("meter", "all", "total(a)", e)
		o.keep("meter", "all", "total(a)", e)
		if _, err := o.content(); err != nil {
			t.Error(err)
		}
	})
}
