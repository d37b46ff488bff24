package sparkplug_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"modferry/configs"
	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/gateway/sparkplug"
	"modferry/gateway/sparkplug/sparkplugtest"
	"modferry/modbus/register"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// devices returns those of a configuration, each given as its YAML.
func devices(t testing.TB, yaml string) []config.Device {
	t.Helper()
	text := "gateway: w\nbroker: {}\nbuses: {b: {tcp: h}}\n"
	if yaml != "" {
		text += "devices:\n" + yaml
	}
	c, err := config.Parse("test.yaml", []byte(text), config.Options{Profiles: configs.Files})
	if err != nil {
		t.Fatal(err)
	}
	return c.Devices
}

// wired is a node with a connection that carries its messages when it is asked to.
type wired struct {
	*sparkplug.Node
	awake atomic.Bool
	wrote []string // what hosts wrote
	sent  []sparkplugtest.Message
	will  []byte
}

func wire(t testing.TB, file string) *wired {
	w := &wired{}
	w.Node = sparkplug.New(sparkplug.Options{
		Group: "plant", Node: "w", Wake: func() { w.awake.Store(true) }, BDSeqFile: file, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Set: func(device, reading string, c sparkplug.Command) {
			what := string(c.Value)
			if c.Refused != "" {
				what += "not: " + c.Refused
			}
			w.wrote = append(w.wrote, fmt.Sprintf("%s/%s %s %t", device, reading, what, c.Retained))
		},
	})
	return w
}

func (w *wired) connect() {
	w.Connecting()
	w.will = w.Death()
	w.Online()
}

// lose ends the connection as a broker notices it.
func (w *wired) lose() {
	w.sent = append(w.sent, sparkplugtest.Message{Topic: w.DeathTopic(), Payload: w.will})
}

// carry takes messages while there are some, at most so many.
func (w *wired) carry(most int) (topics []string) {
	for ; most > 0 && w.awake.Swap(false); most-- {
		topic, payload := w.Next()
		if topic != "" {
			w.sent = append(w.sent, sparkplugtest.Message{Topic: topic, Payload: payload})
			topics = append(topics, topic)
		}
	}
	return topics
}

// host returns what a host knows that received everything.
func (w *wired) host(t testing.TB) *sparkplugtest.Host {
	t.Helper()
	h := &sparkplugtest.Host{Group: "plant", Node: "w"}
	for i, p := range sparkplugtest.Decode(t, w.sent) {
		if err := h.Receive(w.sent[i].Topic, p); err != nil {
			t.Fatalf("message %d, %s: %v", i, w.sent[i].Topic, err)
		}
	}
	return h
}

func value(t testing.TB, text string) register.Value {
	t.Helper()
	v, err := register.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (w *wired) good(t testing.TB, device, reading, text string) {
	t.Helper()
	w.Sample(device, reading, message.Sample{Value: value(t, text), Quality: message.Good, Time: time.Now()})
}

const all = 1000

func verbs(topics []string) string {
	out := make([]string, len(topics))
	for i, topic := range topics {
		parts := strings.Split(topic, "/")
		out[i] = strings.Join(append(parts[2:3], parts[4:]...), " ")
	}
	return strings.Join(out, ", ")
}

func TestBirthsDataAndDeaths(t *testing.T) {
	w := wire(t, "")
	step := func(want string) {
		t.Helper()
		if got := verbs(w.carry(all)); got != want {
			t.Fatalf("published %q, want %q", got, want)
		}
	}
	w.SetDevices(devices(t, "  d: {bus: b, unit: 1, readings: {a: {input: 1, type: int16, scale: 0.1, unit: '°C'}, on: {coil: 1}}}\n  e: {bus: b, unit: 2, readings: {a: {input: 1, type: uint16}}}\n"))
	w.good(t, "d", "a", "21.5")
	w.good(t, "d", "on", "true")
	w.Status("d", true)
	step("") // not connected
	w.connect()
	step("NBIRTH, DBIRTH d")
	w.good(t, "d", "a", "21.5") // nothing new
	step("")
	w.good(t, "d", "a", "21.6")
	w.good(t, "d", "a", "21.7") // only the newest goes out
	w.good(t, "d", "on", "false")
	step("DDATA d")
	w.good(t, "e", "a", "7")
	step("") // not online
	w.Status("e", true)
	step("DBIRTH e")
	w.Sample("d", "a", message.Sample{Value: value(t, "21.7"), Quality: message.Stale, Time: time.Now()})
	w.Status("d", false)
	step("DDEATH d")
	w.good(t, "d", "a", "1")
	step("")
	w.Status("d", true)
	step("DBIRTH d")
	w.lose()
	w.connect()
	w.good(t, "e", "a", "8")
	step("NBIRTH, DBIRTH d, DBIRTH e")
	w.SetDevices(devices(t, "  e: {bus: b, unit: 2, readings: {a: {input: 1, type: uint16}}}\n"))
	step("DDEATH d")
	w.SetDevices(devices(t, "  e: {bus: b, unit: 2, readings: {x: {input: 1, type: uint16}}}\n"))
	w.good(t, "e", "x", "1")
	w.Status("e", true)
	step("DDEATH e, DBIRTH e")
	w.lose()

	h := w.host(t)
	if e := h.Devices["e"]; h.Births != 2 || h.Deaths != 2 || !reflect.DeepEqual(e.Values, map[string]any{"x": 1.0}) {
		t.Errorf("%d births, %d deaths, e has %v", h.Births, h.Deaths, e.Values)
	}
}

func TestValuesInTheTypesOfTheirReadings(t *testing.T) {
	cases := []struct{ reading, value, kind, want string }{
		{"input: 1, type: int16", "-20", "Int16", "-20"},
		{"input: 1, type: uint16", "65535", "UInt16", "65535"},
		{"input: 1, type: int32", "-2147483648", "Int32", "-2.147483648e+09"},
		{"input: 1, type: uint32", "4294967295", "Int64", "4294967295"},
		{"input: 1, type: int64", "-9223372036854775808", "Int64", "-9223372036854775808"},
		{"input: 1, type: uint64", "18446744073709551615", "UInt64", "18446744073709551615"},
		{"input: 1, type: float32", "0.5", "Float", "0.5"},
		{"input: 1, type: float32, decimals: 1", "0.5", "Float", "0.5"},
		{"input: 1, type: float32, scale: 0.1", "0.5", "Double", "0.5"},
		{"input: 1, type: int16, decimals: 1", "12.0", "Double", "12"},
		{"input: 1, type: float64", "0.1", "Double", "0.1"},
		{"input: 1, type: int16, scale: 0.1", "-20.5", "Double", "-20.5"},
		{"input: 1, type: uint16, offset: 5", "12", "Double", "12"},
		{"input: 1, type: bcd16", "9999", "UInt16", "9999"},
		{"input: 1, type: bcd16, decimals: 1", "12.0", "Double", "12"},
		{"coil: 1", "true", "Boolean", "true"},
		{"input: 1, bit: 3", "false", "Boolean", "false"},
		{"input: 1, type: uint16, enum: {0: 'off', 1: heat}", `"heat"`, "String", "heat"},
		{"input: 1, type: uint16, enum: {0: 'off', 1: heat}", "7", "String", "7"},
		{"input: 1, type: uint16, flags: {0: pump, 3: alarm}", `["pump","alarm"]`, "String", "pump, alarm"},
		{"input: 1, type: uint16, flags: {0: pump, 3: alarm}", `[]`, "String", ""},
		{"input: 1, type: string, count: 4", `"ü 1"`, "String", "ü 1"},
		{"input: 1, type: time-unix", `"2026-11-23T18:00:00Z"`, "DateTime", "1795456800000"},
		{"compute: x * 2", "1.5", "Double", "1.5"},
		{"compute: x > 2", "true", "Boolean", "true"},
		{"compute: 'x > 2 ? \"a\" : \"b\"'", `"a"`, "String", "a"},
	}
	var readings strings.Builder
	for i, c := range cases {
		fmt.Fprintf(&readings, "r%d: {%s}, ", i, c.reading)
	}
	w := wire(t, "")
	w.SetDevices(devices(t, "  d: {bus: b, unit: 1, readings: {"+readings.String()+"x: {input: 99, type: int16}}}\n"))
	w.Status("d", true)
	w.connect()
	w.carry(all)
	for i, c := range cases {
		w.good(t, "d", fmt.Sprint("r", i), c.value)
	}
	w.carry(all)
	d := w.host(t).Devices["d"]
	for i, c := range cases {
		name := fmt.Sprint("r", i)
		if got := fmt.Sprint(d.Values[name]); d.Types[name] != c.kind || got != c.want {
			t.Errorf("%s: %s is %s %s, want %s %s", c.reading, c.value, d.Types[name], got, c.kind, c.want)
		}
	}
	if d.Values["x"] != nil || d.Health["x"] != 0 {
		t.Errorf("what was never read is %v with quality %d", d.Values["x"], d.Health["x"])
	}
}

func TestBlocksAndProperties(t *testing.T) {
	w := wire(t, "")
	w.SetDevices(devices(t, "  d: {bus: b, unit: 1, readings: {r: {input: 1, type: int16, count: 3, unit: K}}}\n"))
	w.Status("d", true)
	w.good(t, "d", "r", "[1,null,3]")
	w.connect()
	w.carry(all)
	birth := sparkplugtest.Decode(t, w.sent)[1]
	for _, m := range birth.Metrics {
		if unit := m.Properties["engUnit"]; unit.Type != "String" || unit.Value != "K" {
			t.Errorf("the unit of %s is %+v", m.Name, unit)
		}
	}
	w.good(t, "d", "r", "[1,2,3]")
	w.carry(all)
	if change := sparkplugtest.Decode(t, w.sent)[2]; len(change.Metrics) != 1 {
		t.Errorf("one item changed, and what is told is %+v", change)
	}
	if d := w.host(t).Devices["d"]; !reflect.DeepEqual(d.Values, map[string]any{"r/0": 1.0, "r/1": 2.0, "r/2": 3.0}) {
		t.Errorf("the block is %v", d.Values)
	}
	w.Sample("d", "r", message.Sample{Quality: message.Stale, Time: time.Now()})
	w.carry(all)
	if d := w.host(t).Devices["d"]; d.Values["r/0"] != nil || d.Health["r/0"] != 500 {
		t.Errorf("a stale block is %v, %v", d.Values, d.Health)
	}
}

// command is the payload of a command.
func command(metrics ...sparkplug.Metric) []byte {
	p := sparkplug.Payload{Time: time.Now(), Metrics: metrics, Seq: -1}
	return p.Append(nil)
}

var rebirth = command(sparkplug.Metric{Name: "Node Control/Rebirth", Type: sparkplug.Boolean, Value: sparkplug.Value{Bits: 1}})

func TestRebirthIsDebounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := wire(t, "")
		defer w.Close()
		w.SetDevices(devices(t, "  d: {bus: b, unit: 1, readings: {a: {coil: 1}}}\n"))
		w.Status("d", true)
		w.Handle("spBv1.0/plant/NCMD/w", rebirth, false) // not connected
		w.connect()
		births := 0
		run := func(d time.Duration) {
			for range int(d / (100 * time.Millisecond)) {
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
				births += strings.Count(verbs(w.carry(all)), "NBIRTH, DBIRTH d")
			}
		}
		check := func(want int) {
			t.Helper()
			if births != want {
				t.Errorf("%d births, want %d", births, want)
			}
		}
		run(5 * time.Second)
		check(1)
		for range 100 { // at once, and again for what came after that
			w.Handle("spBv1.0/plant/NCMD/w", rebirth, false)
		}
		run(200 * time.Millisecond)
		check(2)
		for range 10 {
			w.Handle("spBv1.0/plant/NCMD/w", rebirth, false)
			run(100 * time.Millisecond)
		}
		check(2)
		run(5 * time.Second)
		check(3)
		for _, payload := range [][]byte{
			command(sparkplug.Metric{Name: "Node Control/Rebirth", Type: sparkplug.Boolean}),
			command(sparkplug.Metric{Name: "Node Control/Rebirth", Type: sparkplug.Boolean, Null: true}),
			command(sparkplug.Metric{Name: "Node Control/Reboot", Type: sparkplug.Boolean, Value: sparkplug.Value{Bits: 1}}), {0xFF},
		} {
			w.Handle("spBv1.0/plant/NCMD/w", payload, false)
		}
		w.Handle("spBv1.0/plant/NCMD/w", rebirth, true)
		w.Handle("spBv1.0/plant/NCMD/v", rebirth, false)
		run(5 * time.Second)
		check(3)
	})
	w := wire(t, "")
	w.connect()
	w.carry(all)
	before := sparkplugtest.Decode(t, w.sent)[0].Values()["bdSeq"]
	w.Handle("spBv1.0/plant/NCMD/w", rebirth, false)
	for end := time.Now().Add(10 * time.Second); len(w.sent) < 2 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		w.awake.Store(true)
		w.carry(all)
	}
	w.Close()
	if after := sparkplugtest.Decode(t, w.sent)[1].Values()["bdSeq"]; after != before {
		t.Errorf("bdSeq is %s after a rebirth, was %s", after, before)
	}
}

func TestCommandsToDevices(t *testing.T) {
	w := wire(t, "")
	w.SetDevices(devices(t, "  d: {bus: b, unit: 1, readings: {a: {holding: 1, type: int16, scale: 0.1, set: {min: 0, max: 9}}, s: {holding: 2, type: string, count: 2, set: {}}, list: {holding: 9, type: int16, count: 2}}}\n"))
	w.Status("d", true)
	w.connect()
	w.carry(all)
	aliases := map[string]uint64{}
	for _, m := range sparkplugtest.Decode(t, w.sent)[1].Metrics {
		var alias uint64
		if _, err := fmt.Sscan(m.Alias, &alias); err != nil {
			t.Fatal(err)
		}
		aliases[m.Name] = alias
	}
	type metric = sparkplug.Metric
	type value = sparkplug.Value
	for _, m := range []metric{
		{Name: "a", Type: sparkplug.Double, Value: value{Bits: 0x3FF8000000000000}},
		{Alias: aliases["a"], Type: sparkplug.Float, Value: value{Bits: 0x3DCCCCCD}},
		{Name: "a", Type: sparkplug.Int16, Value: value{Bits: 0xFFFFFFFFFFFFFFFB}},
		{Name: "a", Value: value{Text: "x"}, Type: sparkplug.String},
		{Name: "s", Value: value{Text: "ü\""}, Type: sparkplug.String},
		{Name: "a", Type: sparkplug.UInt64, Value: value{Bits: 1 << 63}},
		{Name: "a", Type: sparkplug.Boolean, Value: value{Bits: 1}},
		{Name: "a", Type: sparkplug.DateTime, Value: value{Bits: 1795456800000}},
		{Name: "a", Type: sparkplug.Double, Null: true},
		{Name: "a", Type: sparkplug.Double, Value: value{Bits: 0x7FF0000000000000}}, // infinite
		{Name: "a", Type: sparkplug.Float, Value: value{Bits: 0x7FC00000}},          // not a number
		{Name: "unknown", Type: sparkplug.Double}, {Name: "no/name", Type: sparkplug.Double}, {Alias: 99, Type: sparkplug.Double}, {Name: "list/0", Type: sparkplug.Int16},
	} {
		w.Handle("spBv1.0/plant/DCMD/w/d", command(m), false)
	}
	w.Handle("spBv1.0/plant/DCMD/w/d", command(metric{Name: "a", Type: sparkplug.Int32, Value: value{Bits: 5}}), true)
	w.Handle("spBv1.0/plant/DCMD/w/other", command(metric{Name: "a", Type: sparkplug.Int32, Value: value{Bits: 5}}), false)
	const none = "the command has no value that can be written: send one number, truth value, text or time, no null, NaN or infinity"
	want := []string{
		"d/a 1.5 false", "d/a 0.1 false", "d/a -5 false", `d/a "x" false`, `d/s "ü\"" false`, "d/a 9223372036854775808 false", "d/a true false",
		`d/a "2026-11-23T18:00:00.000Z" false`,
		"d/a not: " + none + " false", "d/a not: " + none + " false", "d/a not: " + none + " false",
		"d/unknown not: there is no such metric: use the names of the device's birth false",
		"d/list not: an item of a block cannot be written alone: set the whole block on its set topic false",
		"d/a 5 true", "other/a not: there is no such metric: use the names of the device's birth false",
	}
	if !slices.Equal(w.wrote, want) {
		t.Errorf("written\n%s\nwant\n%s", strings.Join(w.wrote, "\n"), strings.Join(want, "\n"))
	}
}

func TestBDSeqGoesOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "sparkplug")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("253\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []uint64
	for range 2 { // processes
		w := wire(t, file)
		for range 2 { // connections
			w.connect()
			w.carry(all)
			birth, death := bdSeq(t, w.sent[len(w.sent)-1].Payload), bdSeq(t, w.will)
			if got = append(got, birth); birth != death {
				t.Errorf("NDEATH has %d, NBIRTH %d", death, birth)
			}
		}
	}
	if want := []uint64{254, 255, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("bdSeq %v, want %v", got, want)
	}
	for _, damaged := range []string{"", "x", "256", "-1"} {
		if err := os.WriteFile(file, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		w := wire(t, file)
		w.connect()
		w.carry(all)
		if n := bdSeq(t, w.sent[0].Payload); n > 255 {
			t.Errorf("bdSeq is %d after the file held %q", n, damaged)
		}
	}
}

func bdSeq(t *testing.T, payload []byte) uint64 {
	t.Helper()
	p, err := sparkplug.Parse(payload)
	if err != nil || p.Metrics[0].Name != "bdSeq" || p.Metrics[0].Null {
		t.Fatalf("%+v, %v", p, err)
	}
	return p.Metrics[0].Value.Bits
}

// TestWhateverHappens: no order of events breaks the rules of the order of messages.
func TestWhateverHappens(t *testing.T) {
	plants := []string{
		"", "  d: {bus: b, unit: 1, readings: {a: {input: 1, type: int16}, b: {coil: 2}}}\n",
		"  d: {bus: b, unit: 1, readings: {a: {input: 1, type: int16}, b: {coil: 2}}}\n  e: {bus: b, unit: 2, readings: {a: {input: 1, type: int16, scale: 0.1}, b: {compute: a}}}\n",
		"  e: {bus: b, unit: 2, readings: {a: {input: 1, type: int16, scale: 0.1}}}\n",
	}
	w := wire(t, "")
	connected := false
	rapid.Check(t, func(r *rapid.T) {
		for range rapid.IntRange(1, 200).Draw(r, "steps") {
			device, reading := rapid.SampledFrom([]string{"d", "e"}).Draw(r, "device"), rapid.SampledFrom([]string{"a", "b"}).Draw(r, "reading")
			switch rapid.IntRange(0, 9).Draw(r, "step") {
			case 0:
				if connected {
					w.lose()
				}
				w.connect()
				w.awake.Store(true)
				connected = true
			case 1:
				w.SetDevices(devices(t, rapid.SampledFrom(plants).Draw(r, "plant")))
			case 2, 3:
				w.Status(device, rapid.Bool().Draw(r, "online"))
			case 4:
				w.Handle("spBv1.0/plant/NCMD/w", rebirth, false)
			case 5:
				w.carry(1)
			case 6:
				w.carry(all)
			default:
				s := message.Sample{Quality: rapid.SampledFrom([]message.Quality{message.Good, message.Stale, message.Bad}).Draw(r, "quality"), Time: time.Now()}
				s.Value = value(t, rapid.SampledFrom([]string{"null", "1", "2", "true", "0.5"}).Draw(r, "value"))
				w.Sample(device, reading, s)
			}
		}
	})
	w.connect()
	for w.awake.Load() {
		w.carry(all)
	}
	w.Close()
	if h := w.host(t); h.Births < 10 {
		t.Errorf("only %d births", h.Births)
	}
	t.Logf("%d messages", len(w.sent))
}

func FuzzParse(f *testing.F) {
	f.Add(rebirth)
	f.Add(command(sparkplug.Metric{Alias: 3, Type: sparkplug.Float, Value: sparkplug.Value{Bits: 0x3DCCCCCD}}))
	f.Add([]byte{0x12, 0x02, 0x0A, 0x05})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := sparkplug.Parse(b)
		if err != nil {
			return
		}
		again, err := sparkplug.Parse(p.Append(nil))
		if err != nil {
			t.Fatalf("%x is read, and not again when it is written: %v", b, err)
		}
		for i, m := range p.Metrics {
			if other := again.Metrics[i]; m.Name != other.Name || m.Alias != other.Alias || m.Null != other.Null || !m.Null && (m.Value != other.Value || m.Type != other.Type) {
				t.Errorf("%+v is read as %+v when it is written", m, other)
			}
		}
	})
}

// What hosts send does not fill the log.
func TestGarbageIsLoggedOnceAMinute(t *testing.T) {
	var log strings.Builder
	n := sparkplug.New(sparkplug.Options{Group: "plant", Node: "w", Wake: func() {}, Log: slog.New(slog.NewTextHandler(&log, nil)), Set: func(string, string, sparkplug.Command) {}})
	defer n.Close()
	for range 3000 {
		n.Handle("spBv1.0/plant/NCMD/w", []byte("garbage"), false)
		n.Handle("spBv1.0/plant/DCMD/w/d", []byte("garbage"), false)
		n.Handle("spBv1.0/plant/NCMD/w", command(sparkplug.Metric{Name: "x", Type: sparkplug.Int32}), false)
		n.Handle("spBv1.0/plant/DCMD/w/d", command(sparkplug.Metric{Alias: 99, Type: sparkplug.Int32}), false)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 3 {
		t.Errorf("%d lines, want one of each of three kinds:\n%.1000s", lines, log.String())
	}
}
