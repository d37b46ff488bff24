package poll

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"modferry/gateway/notebook"
	"modferry/modbus"
)

var quiet = slog.New(slog.DiscardHandler)

var someHole = lesson{Holes: []hole{{modbus.InputRegisters, 40, 5}}, Registers: 60}

// remembering has a memory written until the returned function is called.
func remembering(t *testing.T, m *Memory) (end func()) { return following(t, m.Run) }

func following(t *testing.T, run func(context.Context)) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); run(ctx) }()
	return func() { cancel(); <-done }
}

func TestMemoryOutlivesTheProcess(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "not there yet")
	m := OpenMemory(folder, quiet)
	m.keep("meter", "as it was", someHole) // before Run
	end := remembering(t, m)
	m.keep("other", "key", lesson{Bits: 100})
	end()
	after := OpenMemory(folder, quiet)
	if l, age := after.recall("meter", "as it was"); !l.equal(someHole) || age > time.Minute {
		t.Errorf("%+v, %v old; want %+v", l, age, someHole)
	}
	if l, _ := after.recall("other", "key"); l.Bits != 100 {
		t.Errorf("%+v of the other device", l)
	}
	if l, _ := after.recall("meter", "other readings"); !l.isEmpty() {
		t.Errorf("%+v for another configuration", l)
	}
}

// A damaged file is set aside; what it said is learned again.
func TestDamagedMemory(t *testing.T) {
	good := `{"meter":{"key":"k","time":"2026-01-01T00:00:00Z","holes":[{"table":4,"address":40,"quantity":5}]}}`
	if _, err := parseMemory([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "null": "null", "half": good[:len(good)/2], "binary": "\x00\xff\x00", "another type": "[1, 2]",
		"no such table": strings.Replace(good, `"table":4`, `"table":9`, 1),
		"beyond 65535":  strings.Replace(good, `"address":40`, `"address":65533`, 1),
		"no such place": strings.Replace(good, `"quantity":5`, `"quantity":-5`, 1),
		"no limit":      strings.Replace(good, `"holes"`, `"registers":-1,"holes"`, 1),
		"too long":      `{"a":"` + strings.Repeat("x", notebook.MaxSize),
	} {
		folder := t.TempDir()
		path := filepath.Join(folder, memoryName)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m := OpenMemory(folder, quiet)
		if l, _ := m.recall("meter", "k"); !l.isEmpty() {
			t.Errorf("%s: recalled %+v", name, l)
		}
		if _, err := os.Stat(path + ".broken"); err != nil {
			t.Errorf("%s: it is not set aside: %v", name, err)
		}
		end := remembering(t, m)
		m.keep("meter", "k", someHole)
		end()
		if l, _ := OpenMemory(folder, quiet).recall("meter", "k"); !l.equal(someHole) {
			t.Errorf("%s: learned anew, and not kept", name)
		}
	}
}

// A disk that takes nothing costs what was learned after that and nothing else; it is
// tried again. What was written before stays whole.
func TestMemoryOnADiskThatTakesNothing(t *testing.T) {
	folder := t.TempDir()
	m := OpenMemory(folder, quiet)
	end := remembering(t, m)
	m.keep("meter", "k", lesson{Bits: 8})
	end()
	obstacle := filepath.Join(folder, memoryName+".new", "x")
	if err := os.MkdirAll(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		m := OpenMemory(folder, quiet)
		defer remembering(t, m)()
		m.keep("meter", "k", someHole)
		pass(10 * time.Second)
		if l, _ := m.recall("meter", "k"); !l.equal(someHole) {
			t.Errorf("in memory there is %+v", l)
		}
		if l, _ := OpenMemory(folder, quiet).recall("meter", "k"); l.Bits != 8 {
			t.Errorf("on disk there is %+v, want what was there", l)
		}
		if err := os.RemoveAll(filepath.Dir(obstacle)); err != nil {
			t.Fatal(err)
		}
		pass(notebook.Again)
		if l, _ := OpenMemory(folder, quiet).recall("meter", "k"); !l.equal(someHole) {
			t.Errorf("now that the disk takes it, there is %+v", l)
		}
	})
}

// Devices that are not configured any more are forgotten in the end, those that are never.
func TestMemoryForgetsWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		m := OpenMemory(folder, quiet)
		m.keep("gone", "k", someHole)
		m.keep("meter", "k", someHole)
		remembering(t, m)()
		pass(forgotten + time.Hour)
		m = OpenMemory(folder, quiet)
		m.recall("meter", "k")
		m.keep("new", "k", someHole)
		remembering(t, m)()
		m = OpenMemory(folder, quiet)
		for device, want := range map[string]bool{"gone": false, "meter": true, "new": true} {
			if l, _ := m.recall(device, "k"); l.isEmpty() == want {
				t.Errorf("%s: %+v", device, l)
			}
		}
	})
}

func FuzzMemory(f *testing.F) {
	f.Add([]byte(`{"meter":{"key":"k","time":"2026-01-01T00:00:00Z","holes":[{"table":4,"address":40,"quantity":5}],"bits":1}}`))
	f.Add([]byte(`{"a":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		known, err := parseMemory(text)
		if err != nil {
			return
		}
		for device, m := range known {
			if !m.valid() {
				t.Errorf("%q has %+v", device, m)
			}
		}
	})
}
