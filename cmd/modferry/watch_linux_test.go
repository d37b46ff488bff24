package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"modferry/gateway/gatewaytest"
)

// viewer is a person's terminal on which the program runs.
type viewer struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	over   chan struct{}

	mu   sync.Mutex
	seen string
}

func watchOn(t *testing.T, columns, rows uint16, args ...string) *viewer {
	t.Helper()
	cmd := exec.Command(gatewaytest.Binary(t), append([]string{"watch"}, args...)...)
	master, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: columns, Rows: rows})
	if err != nil {
		t.Fatal(err)
	}
	v := &viewer{t: t, master: master, cmd: cmd, over: make(chan struct{})}
	go func() {
		defer close(v.over)
		buf := make([]byte, 65536)
		for {
			n, err := master.Read(buf)
			v.mu.Lock()
			v.seen += string(buf[:n])
			v.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-v.over
		_ = cmd.Wait()
		_ = master.Close()
	})
	return v
}

// page is what the person sees: the last page that is whole.
func (v *viewer) page() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	parts := strings.Split(v.seen, "\x1b[H")
	for i := len(parts) - 1; i > 0; i-- {
		if whole, _, ok := strings.Cut(parts[i], "\x1b[J"); ok {
			return strings.ReplaceAll(strings.ReplaceAll(whole, "\x1b[K", ""), "\r\n", "\n")
		}
	}
	return ""
}

// until waits for a page.
func (v *viewer) until(what string, good func(page string) bool) string {
	v.t.Helper()
	for end := time.Now().Add(3 * patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if page := v.page(); good(page) {
			return page
		}
	}
	v.t.Fatalf("the page never shows %s:\n%s", what, v.page())
	return ""
}

func (v *viewer) shows(parts ...string) string {
	v.t.Helper()
	return v.until(strings.Join(parts, " and "), func(page string) bool {
		for _, part := range parts {
			if !strings.Contains(page, part) {
				return false
			}
		}
		return true
	})
}

func (v *viewer) press(keys string) {
	v.t.Helper()
	if _, err := v.master.WriteString(keys); err != nil {
		v.t.Fatal(err)
	}
}

func (v *viewer) resize(columns, rows uint16) {
	v.t.Helper()
	if err := pty.Setsize(v.master, &pty.Winsize{Cols: columns, Rows: rows}); err != nil {
		v.t.Fatal(err)
	}
}

func reading(value string, unit string) string {
	return fmt.Sprintf(`{"value":%s,"unit":%q,"quality":"good","time":%q}`, value, unit, time.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
}

// What a person sees: readings, states, the broker's absence, and a window of any size.
func TestWatchOnATerminal(t *testing.T) {
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	app.Publish("modferry/hall/status", 1, true, "online")
	app.Publish("modferry/hall/bus/line/status", 1, true, `{"state":"open","requests":5,"resting":{"7":{}}}`)
	app.Publish("modferry/hall/device/sensor/温度", 1, true, reading("20.5", "°C"))
	app.Publish("modferry/shed/device/evil/x", 1, true, `{"value":"\u001b[2J\u0007boo","quality":"bad"}`)
	v := watchOn(t, 100, 24, "--broker", broker.URL())
	v.shows("connected, all gateways at "+broker.URL(), "gateway hall: online", "bus line: open, 5 requests", "resting units 7",
		"hall/sensor/温度", "20.5 °C  good", "shed/evil/x", "·[2J·boo  bad")
	app.Publish("modferry/hall/device/sensor/温度", 1, false, reading("23", "°C"))
	v.shows("23 °C", "▁█")

	for i := range 60 {
		app.Publish("modferry/hall/device/many/r"+fmt.Sprint(100+i), 0, true, reading(fmt.Sprint(i), ""))
	}
	v.resize(30, 10)
	narrow := v.until("ten narrow lines", func(page string) bool {
		return strings.Count(page, "\n") == 9 && strings.Contains(page, "lines 1 to 8 of 67") && !strings.Contains(page, "course")
	})
	for line := range strings.Lines(narrow) {
		if len([]rune(strings.TrimSuffix(line, "\n"))) > 30 {
			t.Errorf("a line is too long: %q", line)
		}
	}
	v.press("G")
	v.shows("lines 60 to 67 of 67", "boo")
	v.press("\x1b[5~\x1b[A")
	v.shows("lines 52 to 59 of 67")

	broker.Kill()
	v.shows("NO CONNECTION")
	broker.Restart()
	again := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	v.resize(120, 80)
	v.shows("  connected, ", "23 °C")
	again.Publish("modferry/hall/device/sensor/温度", 1, true, reading("19.25", "°C"))
	v.shows("19.25 °C")

	v.press("q")
	select {
	case <-v.over:
	case <-time.After(patience):
		t.Fatal("q does not end it")
	}
	if !strings.HasSuffix(v.seen, "\x1b[?25h\x1b[?1049l") {
		t.Errorf("the terminal is left as %q", v.seen[max(0, len(v.seen)-80):])
	}
}

// Programs get a JSON object for each change, and each once, over any absence of the broker.
func TestWatchAsJSON(t *testing.T) {
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	app.Publish("modferry/hall/device/sensor/t", 1, true, reading("20.5", "°C"))
	app.Publish("modferry/shed/device/sensor/t", 1, true, reading("1", "°C"))
	p := gatewaytest.Start(t, "watch", "--broker", broker.URL(), "--gateway", "hall", "--json")
	p.Line(`"value":20.5`)
	app.Publish("modferry/hall/device/sensor/status", 1, false, "offline")
	p.Line(`"offline"`)
	broker.Kill()
	p.Line(`"state":"away"`)
	broker.Restart()
	again := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	for end := time.Now().Add(3 * patience); strings.Count(p.Stdout(), `"state":"connected"`) < 2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not connect again")
		}
	}
	again.Publish("modferry/hall/device/sensor/t", 1, true, reading("21", "°C"))
	p.Line(`"value":21`)
	p.Signal(os.Interrupt)
	if code := p.Wait(patience); code != exitGood {
		t.Errorf("exit code %d", code)
	}
	values := []string{}
	for line := range strings.Lines(p.Stdout()) {
		var e struct {
			Time, Taken                                   time.Time
			Kind, Gateway, Device, Reading, Unit, Quality string
			Value                                         *float64
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Time.IsZero() || e.Kind == "" {
			t.Errorf("%v: %s", err, line)
		}
		if e.Kind == "reading" {
			values = append(values, fmt.Sprint(e.Gateway, e.Device, e.Reading, *e.Value, e.Unit, e.Quality, e.Taken.IsZero()))
		}
	}
	if want := "[hallsensort20.5°Cgoodfalse hallsensort21°Cgoodfalse]"; strings.ReplaceAll(fmt.Sprint(values), " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("%v, want %v", values, want)
	}
}

// Where nobody looks at a terminal there are plain lines.
func TestWatchInLines(t *testing.T) {
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	app.Publish("plant/a/status", 1, true, "online")
	app.Publish("plant/a/device/d/t", 1, true, `{"value":"\u001b[31m","quality":"stale"}`)
	app.Publish("plant/a/device/d/u", 1, true, "on")
	p := gatewaytest.Start(t, "watch", "--broker", broker.URL(), "--prefix", "plant/a")
	p.ErrorLine("connected to " + broker.URL())
	p.Line("plant/a/d/t ·[31m (stale)")
	p.Line("plant/a/d/u on")
	p.Line("gateway plant/a is online")
	for args, says := range map[string]string{"--gateway a/b": "--gateway a/b", "--prefix #": "--prefix #", "--cert x.pem": "--key", "--password-file /nowhere": "/nowhere", "x": "watch --help"} {
		if code, out, errs := modferry(t, append([]string{"watch"}, strings.Fields(args)...)...); code != exitUsage || out != "" || !strings.Contains(errs, says) {
			t.Errorf("%s: exit code %d\n%s%s", args, code, out, errs)
		}
	}
}
