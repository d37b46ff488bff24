package gateway_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/gateway/store/storetest"
)

// Row 27: the disk is full before the gateway starts, with no place or little, or it
// becomes full while the broker is away. Polls go on, and requests and writes are answered.
func TestRow27FullDisk(t *testing.T) {
	t.Parallel()
	for free, name := range map[int64]string{0: "full", 20 << 10: "20 KiB free", 64 << 10: "64 KiB free"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := storetest.SmallDisk(t, 64)
			if free < 64<<10 {
				storetest.FillDisk(t, dir, free)
			}
			var reads atomic.Int64
			broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true})
			proxy := gatewaytest.Toxiproxy(t, broker.Addr)
			app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
			const every = 100 * time.Millisecond
			newProgram(t, app, fmt.Sprintf("gateway: w\ndata_dir: %q\nmqtt: {url: \"mqtt://%s\"}\nbuses: {b: {tcp: %q, allow: [{}]}}\n"+
				"devices: {d: {bus: b, unit: 1, every: %s, readings: {count: {input: 1, type: uint16}}}}\n", dir, proxy.Addr, countingDevice(t, &reads), every))
			in := app.Subscribe("modferry/w/bus/b/response/me", 2)
			answered := 0
			began, before := time.Now(), reads.Load()
			for round := range 3 {
				for i := range 100 {
					request := fmt.Sprintf("0106%04X%04X", round, i)
					app.Publish("modferry/w/bus/b/request/me", 2, false, request)
					in.Await(patience, func(m gatewaytest.Message) bool { return string(m.Payload) == request }) // one may come twice after the cut
					answered++
				}
				if round == 0 {
					proxy.Disable()
					time.Sleep(2 * time.Second) // readings that are to be kept
					proxy.Enable()
					eventuallyOnline(t, broker.URL())
				}
			}
			want := int64(time.Since(began) / every)
			missed := max(0, want-1-(reads.Load()-before))
			if missed > want/10 { // a busy machine costs one now and then
				t.Errorf("%d of %d polls are missing", missed, want)
			}
			t.Logf("%s: %d of %d polls missed, %d of 300 writes answered", name, missed, want, answered)
		})
	}
}

// Row 26: whatever is found in the place of the gateway's files, it starts and answers.
func TestRow26TornFiles(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	// Files as a gateway leaves them that is killed.
	sound := t.TempDir()
	yaml := func(dir string) string {
		return fmt.Sprintf("gateway: w\ndata_dir: %q\nbroker: {mqtt: 127.0.0.1:0}\nbuses: {b: {tcp: %q, allow: [{}]}}\ndevices: {d: {bus: b, unit: 1, every: 100ms, readings: {r: {input: 1, type: uint16}}}}\n", dir, d.addr)
	}
	leaveFiles(t, sound, d.addr)
	journal, err := os.ReadFile(filepath.Join(sound, "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, filepath.Join(sound, "backlog.db"), journal) // it has another content than it should
	files, err := filepath.Glob(filepath.Join(sound, "*"))
	if err != nil {
		t.Fatal(err)
	}
	nested, _ := filepath.Glob(filepath.Join(sound, "broker", "*"))
	var names []string
	for _, file := range append(files, nested...) {
		name, _ := filepath.Rel(sound, file)
		names = append(names, name)
	}
	starts := 0
	for what, damage := range map[string]func(t *testing.T, file string){
		"garbage": func(t *testing.T, file string) { overwrite(t, file, random(10_000)) },
		"empty":   func(t *testing.T, file string) { overwrite(t, file, nil) },
		"zeros":   func(t *testing.T, file string) { overwrite(t, file, make([]byte, 65536)) },
		"half": func(t *testing.T, file string) {
			b, _ := os.ReadFile(file)
			overwrite(t, file, b[:len(b)/2])
		},
		"a directory": func(t *testing.T, file string) {
			_ = os.RemoveAll(file)
			if err := os.MkdirAll(filepath.Join(file, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for _, name := range append(names, "") { // "": all of them
			t.Run(what+" "+name, func(t *testing.T) {
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(sound)); err != nil {
					t.Fatal(err)
				}
				for _, other := range names {
					if info, err := os.Stat(filepath.Join(dir, other)); err == nil && (name == other || name == "" && !info.IsDir()) {
						damage(t, filepath.Join(dir, other))
					}
				}
				g := run(t, parse(t, yaml(dir)))
				app := gatewaytest.Client(t, "tcp://"+g.Addresses().MQTT.String(), gatewaytest.ClientOptions{})
				online(t, app.Subscribe("modferry/w/status", 1), 1)
				readsWell(t, app, app.Subscribe("modferry/w/bus/b/+/me", 2))
				app.Subscribe("modferry/w/device/d/r", 1).Next(patience)
				starts++
			})
		}
	}
	t.Logf("%d starts with damage to %v: all answer and read", starts, names)
}

// leaveFiles has a gateway work in dir and kills it.
func leaveFiles(t *testing.T, dir, device string) {
	t.Helper()
	port := gatewaytest.FreePort(t)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	overwrite(t, file, fmt.Appendf(nil, "gateway: w\ndata_dir: %q\nbroker: {mqtt: 127.0.0.1:%d}\nbuses: {b: {tcp: %q, allow: [{}]}}\n", dir, port, device))
	p := gatewaytest.Start(t, "gateway", "-c", file)
	p.ErrorLine("connected to the broker")
	app := gatewaytest.Client(t, fmt.Sprintf("tcp://127.0.0.1:%d", port), gatewaytest.ClientOptions{Persistent: true})
	in := app.Subscribe("modferry/w/bus/b/+/me", 2)
	for i := range 20 {
		ask(t, app, in, fmt.Sprintf("01060001%04X", i))
	}
	p.Kill()
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // does not fail
	return b
}

func overwrite(t *testing.T, file string, content []byte) {
	t.Helper()
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		_ = os.RemoveAll(file)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Row 24: the broker is away for good, and readings change at every poll.
func TestRow24MemoryIsBoundedWithoutABroker(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 10 s")
	}
	program := filepath.Join(t.TempDir(), "modferry") // without the race detector, which has memory of its own
	build := exec.Command("go", "build", "-o", program, "modferry/cmd/modferry")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const devices, readings, most = 50, 100, 64 << 10 // KiB
	for name, backlog := range map[string]string{"64 MiB kept": "64MiB", "1 MiB kept, the rest dropped": "1MiB"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var reads atomic.Int64
			yaml := fmt.Sprintf("gateway: w\ndata_dir: %q\nmqtt: {url: \"mqtt://127.0.0.1:%d\"}\nbacklog: {max: %s}\nbuses: {b: {tcp: %q}}\ndevices:\n",
				t.TempDir(), gatewaytest.FreePort(t), backlog, countingDevice(t, &reads))
			for i := range devices {
				yaml += fmt.Sprintf("  d%d: {bus: b, unit: %d, every: 200ms, readings: {", i, i+1)
				for r := range readings {
					yaml += fmt.Sprintf("r%d: {input: %d, type: uint16}, ", r, 100+r)
				}
				yaml += "}}\n"
			}
			file := filepath.Join(t.TempDir(), "gateway.yaml")
			overwrite(t, file, []byte(yaml))
			p := gatewaytest.StartProgram(t, program, "gateway", "-c", file)
			steps, step := 4**rounds, 2*time.Second
			var resident []int
			for range steps {
				time.Sleep(step) // what is measured is this time
				resident = append(resident, processKiB(t, p.PID()))
			}
			published := reads.Load() * readings
			half, end := resident[steps/2-1], resident[steps-1]
			if end > most || end > half+half/4 {
				t.Errorf("%d KiB at half of the time, %d KiB at the end", half, end)
			}
			const day = 24 * 3600 / 5 * 100
			t.Logf("%d readings missed by the broker in %v, %.0f %% of a day of 100 readings every 5 s: %d KiB resident at half of that, %d KiB at the end; all %v",
				published, time.Duration(steps)*step, 100*float64(published)/day, half, end, resident)
		})
	}
}

// processKiB returns the memory of a process.
func processKiB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	n, err := strconv.Atoi(strings.Fields(rest + " ?")[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
