package mqtt

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// clock is one that tests set.
type clock struct {
	boot string
	now  time.Duration
}

func (c *clock) read() (string, time.Duration) { return c.boot, c.now }

func lifelineAt(t *testing.T, path string, c *clock) *lifeline {
	t.Helper()
	l := newLifeline(&Options{State: path, ClientID: "gateway", URL: "mqtt://broker", ResumeWithin: time.Minute, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	l.clock = c.read
	return l
}

func TestLifelineOverARestart(t *testing.T) {
	for name, c := range map[string]struct {
		change func(c *clock, path string)
		over   bool
	}{
		"at once":            {func(*clock, string) {}, false},
		"after 59 s":         {func(c *clock, _ string) { c.now += 59 * time.Second }, false},
		"after 61 s":         {func(c *clock, _ string) { c.now += 61 * time.Second }, true},
		"another boot":       {func(c *clock, _ string) { c.boot = "other" }, true},
		"the clock set back": {func(c *clock, _ string) { c.now -= time.Second }, true},
		"no file":            {func(_ *clock, path string) { _ = os.Remove(path) }, true},
		"torn file": {func(_ *clock, path string) {
			data, _ := os.ReadFile(path)
			_ = os.WriteFile(path, data[:len(data)/2], 0o600)
		}, true},
		"empty file": {func(_ *clock, path string) { _ = os.Truncate(path, 0) }, true},
		"huge file":  {func(_ *clock, path string) { _ = os.Truncate(path, maxMark+1) }, true},
		"foreign session": {func(_ *clock, path string) {
			data, _ := json.Marshal(mark{"other mqtt://broker", "boot", 1000_000})
			_ = os.WriteFile(path, data, 0o600)
		}, true},
		"a folder instead": {func(_ *clock, path string) { _ = os.Remove(path); _ = os.Mkdir(path, 0o700) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "folder", "session")
			at := &clock{"boot", 1000 * time.Second}
			first := lifelineAt(t, path, at)
			if !first.isOver() {
				t.Error("a new one goes on")
			}
			first.connected()
			c.change(at, path)
			if next := lifelineAt(t, path, at); next.isOver() != c.over {
				t.Errorf("over is %t", !c.over)
			}
		})
	}
}

// A file that cannot be written does no harm to this process.
func TestLifelineWithoutADisk(t *testing.T) {
	at := &clock{"boot", time.Hour}
	l := lifelineAt(t, "/dev/null/session", at)
	l.connected()
	l.note(time.Now())
	if l.isOver() || !l.failing {
		t.Errorf("%+v", l)
	}
	at.now += 2 * time.Minute
	if !l.isOver() {
		t.Error("it goes on after two minutes")
	}
}

// What came before the machine slept says nothing about the time it slept.
func TestLifelineOfAMachineThatSlept(t *testing.T) {
	at := &clock{"boot", time.Hour}
	l := lifelineAt(t, "", at)
	l.connected()
	at.now += 10 * time.Minute // asleep: the monotonic clock stood still
	l.note(time.Now().Add(-time.Millisecond))
	if !l.isOver() {
		t.Error("the session goes on after ten minutes of sleep")
	}
}

func TestLifelineGoesOnAfterReconfiguration(t *testing.T) {
	at := &clock{"boot", time.Hour}
	before := lifelineAt(t, "", at)
	before.connected()
	if lifelineAt(t, "", at).after(before).isOver() {
		t.Error("the same session does not go on")
	}
	other := newLifeline(&Options{ClientID: "other", URL: "mqtt://broker", ResumeWithin: time.Minute})
	other.clock = at.read
	if !other.after(before).isOver() {
		t.Error("another session goes on")
	}
}

func FuzzMark(f *testing.F) {
	f.Add([]byte(`{"session":"gateway mqtt://broker","boot":"x","alive_ms":1000}`))
	f.Add([]byte(`{"alive_ms":-1}`))
	f.Add([]byte(`{"alive_ms":9223372036854775807}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, ok := parseMark(data)
		if d := time.Duration(m.Alive) * time.Millisecond; ok && (d <= 0 || d.Milliseconds() != m.Alive) {
			t.Errorf("%q is taken as %+v", data, m)
		}
	})
}

func TestContradictionsSlowDownAndAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newContradiction()
		defer c.stop()
		corrections := func(d time.Duration) (n int) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				c.heard()
				synctest.Wait()
				select {
				case <-c.C:
					n++
				default:
				}
			}
			return n
		}
		c.heard()
		synctest.Wait()
		if len(c.C) != 1 {
			t.Error("the first is not corrected at once")
		}
		<-c.C
		if n := corrections(time.Minute); n < 8 || n > 15 {
			t.Errorf("%d corrections in a minute of contradictions", n)
		}
		if n := corrections(time.Minute); n < 5 || n > 7 {
			t.Errorf("%d corrections in the next minute", n)
		}
		time.Sleep(calmAgain + maxCorrection + time.Second)
		for len(c.C) > 0 {
			<-c.C
		}
		c.heard()
		synctest.Wait()
		if len(c.C) != 1 {
			t.Error("after a minute of peace, the next is not corrected at once")
		}
	})
}
