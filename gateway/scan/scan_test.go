package scan

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"modferry/configs"
	"modferry/gateway/config"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/transport"
	"modferry/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeWay answers as a function does; nil = silence.
type fakeWay struct {
	t      testing.TB
	answer func(unit byte, request modbus.PDU) *modbus.PDU
	asked  int
}

func (w *fakeWay) Ask(_ context.Context, unit byte, request modbus.PDU, _ time.Duration) (modbus.PDU, error) {
	w.asked++
	if request.FunctionCode > 4 && request.FunctionCode != modbus.ReportServerID && (request.FunctionCode != modbus.EncapsulatedInterface || request.Data[0] != modbus.ReadDeviceIdentification) {
		w.t.Errorf("function %d was sent", request.FunctionCode)
	}
	reply := w.answer(unit, request)
	if reply == nil {
		return modbus.PDU{}, &transport.Error{Kind: transport.Timeout, Sent: true}
	}
	return *reply, nil
}

func (w *fakeWay) Probe(ctx context.Context, unit byte, request modbus.PDU, d time.Duration) (modbus.PDU, []byte, error) {
	reply, err := w.Ask(ctx, unit, request, d)
	return reply, nil, err
}

func (w *fakeWay) Close() {}

// memory answers reads of the addresses that has says, with the address as value, and
// nothing else.
func memory(has func(modbus.Table, int) bool) func(byte, modbus.PDU) *modbus.PDU {
	return func(_ byte, q modbus.PDU) *modbus.PDU {
		refuse := func(code byte) *modbus.PDU {
			p := modbus.ExceptionPDU(q.FunctionCode, code)
			return &p
		}
		spans := modbus.Spans(q)
		if len(spans) == 0 {
			return refuse(modbus.IllegalFunction)
		}
		var values []uint16
		for a := int(spans[0].Address); a < spans[0].End(); a++ {
			if !has(spans[0].Table, a) {
				return refuse(modbus.IllegalDataAddress)
			}
			values = append(values, uint16(a))
		}
		data := modbus.AppendRegisters(nil, values...)
		if spans[0].Table.IsBits() {
			data = make([]byte, (len(values)+7)/8)
		}
		return &modbus.PDU{FunctionCode: q.FunctionCode, Data: append([]byte{byte(len(data))}, data...)}
	}
}

// scanned scans unit 1 over a way.
func scanned(t testing.TB, w Way, change func(*Options)) *Report {
	t.Helper()
	o := Options{
		Units: []byte{1}, Probes: []modbus.PDU{modbus.ReadRequest(3, 0, 1)}, Timeout: time.Second, Requests: 1000,
		Open: func(Setting) (Way, error) { return w, nil }, Pause: func(context.Context, time.Duration) {},
	}
	change(&o)
	r, err := Scan(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func profiles(t testing.TB) (all []*profile.Profile) {
	t.Helper()
	for _, name := range profile.Names(configs.Files) {
		p, err := profile.Load(configs.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// Every profile's own virtual device is found; likely is only said of the right one,
// the devices section is good, and nothing is written.
func TestEveryProfileIsFound(t *testing.T) {
	all := profiles(t)
	likely := 0
	for _, p := range all {
		s, err := simulator.New(simulator.Options{Profile: p, Seed: 1, Calls: 10000})
		if err != nil {
			t.Fatal(err)
		}
		line, err := s.Memory(modbus.TCP)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		report := scanned(t, Line{line.Transporter(time.Second)}, func(o *Options) {
			o.Units, o.Profiles, o.Requests = []byte{p.Unit}, all, 320
			o.Ranges = []modbus.Span{{Table: modbus.HoldingRegisters, Quantity: 64}, {Table: modbus.InputRegisters, Quantity: 64}}
		})
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		u := report.Units[0]
		names := []string{}
		for _, m := range u.Matches {
			names = append(names, m.Profile.Name)
		}
		if !slices.Contains(names, p.Name) {
			t.Errorf("%s is taken for %v", p.Name, names)
			continue
		}
		if u.Matches[0].Certainty == Likely {
			likely++
			if names[0] != p.Name {
				t.Errorf("%s is likely %s: %v", p.Name, names[0], u.Matches[0].For)
			}
		}
		accepted(t, Devices(report, "line"))
		if !onlyIdentification(s) {
			t.Errorf("%s was written to", p.Name)
		}
	}
	if likely < len(all)/2 {
		t.Errorf("only %d of %d profiles are called likely", likely, len(all))
	}
}

// onlyIdentification: function 43/14 counts as a write, as rules go, and changes nothing.
func onlyIdentification(s *simulator.Simulator) bool {
	calls, _, err := s.Calls(simulator.CallFilter{Function: "write"}, 10000)
	return err == nil && !slices.ContainsFunc(calls, func(c simulator.Call) bool {
		return c.PDU.FunctionCode != modbus.EncapsulatedInterface || c.PDU.Data[0] != modbus.ReadDeviceIdentification
	})
}

// accepted puts a devices section into a configuration.
func accepted(t testing.TB, devices string) {
	t.Helper()
	text := "gateway: g\nmqtt: {url: \"mqtt://127.0.0.1\"}\nbuses: {line: {tcp: 127.0.0.1:502}}\n" + devices
	c, err := config.Parse("gateway.yaml", []byte(text), config.Options{Profiles: configs.Files})
	if err != nil || len(c.Devices) == 0 && strings.Contains(devices, "devices:") {
		t.Errorf("%v\n%s", err, text)
	}
}

// A device that answers every address with 0 fits many profiles, and none is likely.
func TestADeviceOfZerosIsNothingForSure(t *testing.T) {
	w := &fakeWay{t: t, answer: func(_ byte, q modbus.PDU) *modbus.PDU {
		spans := modbus.Spans(q)
		if len(spans) == 0 {
			return nil
		}
		data := make([]byte, 1+2*spans[0].Quantity)
		data[0] = byte(2 * spans[0].Quantity)
		return &modbus.PDU{FunctionCode: q.FunctionCode, Data: data}
	}}
	report := scanned(t, w, func(o *Options) { o.Profiles = profiles(t) })
	for _, m := range report.Units[0].Matches {
		if m.Certainty == Likely {
			t.Errorf("%s is likely: %v", m.Profile.Name, m.For)
		}
	}
}

// What is no profile's is written as readings, whatever the device has.
func TestUnknownDevicesAreWrittenToo(t *testing.T) {
	w := &fakeWay{t: t, answer: memory(func(table modbus.Table, a int) bool {
		return table == modbus.Coils && a < 20 || table == modbus.DiscreteInputs && a == 3 || table == modbus.InputRegisters && a < 300 && a != 17
	})}
	report := scanned(t, w, func(o *Options) {
		for table := modbus.Coils; table <= modbus.InputRegisters; table++ {
			o.Ranges = append(o.Ranges, modbus.Span{Table: table, Quantity: 400})
		}
	})
	text := Devices(report, "line")
	accepted(t, text)
	for _, want := range []string{"input-18: {input: 18, count: 125, type: uint16}", "coil-0: {coil: 0, count: 20", "discrete-3: {discrete: 3"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
}

// A server that does not look at the unit id is described once.
func TestOneServerForAllUnits(t *testing.T) {
	w := &fakeWay{t: t, answer: memory(func(table modbus.Table, a int) bool { return a < 4 })}
	report := scanned(t, w, func(o *Options) {
		o.Units = nil
		for unit := byte(1); unit < 248; unit++ {
			o.Units = append(o.Units, unit)
		}
		o.Ranges = []modbus.Span{{Table: modbus.InputRegisters, Quantity: 8}}
	})
	if text := Devices(report, "line"); !report.Same || len(report.Units) != 247 || strings.Count(text, "unit:") != 1 {
		t.Errorf("%v, %d units\n%s", report.Same, len(report.Units), text)
	}
}

// A gateway's word that nobody answers is no unit.
func TestNobodyBehindAGateway(t *testing.T) {
	w := &fakeWay{t: t, answer: func(_ byte, q modbus.PDU) *modbus.PDU {
		p := modbus.ExceptionPDU(q.FunctionCode, modbus.GatewayTargetNoResponse)
		return &p
	}}
	if report := scanned(t, w, func(o *Options) { o.Units = []byte{1, 2, 3} }); len(report.Units) > 0 || report.Asked != 3 {
		t.Errorf("%+v", report)
	}
}

// An interrupted scan returns what it has.
func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	w := &fakeWay{t: t, answer: memory(func(modbus.Table, int) bool { return true })}
	report, err := Scan(ctx, Options{
		Units: []byte{1, 2, 3, 4}, Probes: []modbus.PDU{modbus.ReadRequest(3, 0, 1)}, Requests: 10, Timeout: time.Second,
		Open: func(Setting) (Way, error) { return w, nil },
		Progress: func(p Progress) {
			if p.News != nil && p.Unit == 2 {
				stop()
			}
		},
	})
	if !errors.Is(err, context.Canceled) || len(report.Units) != 2 {
		t.Errorf("%v, %+v", err, report)
	}
}

// Identification may come in several replies, and what it says is only text.
func TestIdentificationInPages(t *testing.T) {
	page := func(more, next byte, objects ...string) *modbus.PDU {
		d := []byte{14, 2, 2, more, next, byte(len(objects))}
		for i, text := range objects {
			d = append(append(d, map[byte]byte{0xFF: 0, 0: 4}[more]+byte(i), byte(len(text))), text...)
		}
		return &modbus.PDU{FunctionCode: 43, Data: d}
	}
	nothing := memory(func(modbus.Table, int) bool { return false })
	w := &fakeWay{t: t, answer: func(unit byte, q modbus.PDU) *modbus.PDU {
		switch {
		case q.FunctionCode == 43 && q.Data[2] == 0:
			return page(0xFF, 4, "ACME", "T\x1b[31m1", "1.0", "x\ny")
		case q.FunctionCode == 43:
			return page(0, 0, "Thermo")
		case q.FunctionCode == 17:
			return &modbus.PDU{FunctionCode: 17, Data: []byte{3, 7, 0xFF, 'a'}}
		}
		return nothing(unit, q)
	}}
	u := scanned(t, w, func(*Options) {}).Units[0]
	if len(u.Objects) != 5 || u.Objects[4] != "Thermo" || string(u.Server) != "\x07\xffa" {
		t.Errorf("%q, %q", u.Objects, u.Server)
	}
	if Clean(u.Objects[1]) != "T·[31m1" || Clean(u.Objects[3]) != "x·y" {
		t.Errorf("%q", Clean(u.Objects[1]))
	}
}

// FuzzFrames: what is called a frame has a good check code, and is of a unit that can be.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\xff\x00\x01\x83\x02\xc0\xf1\x05"))
	f.Add([]byte(":018302" + "7A\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, adu := range frames(b) {
			if !strings.Contains(string(b), string(modbus.AppendRTU(nil, adu))) &&
				!strings.Contains(strings.ToUpper(string(b)), string(modbus.AppendASCII(nil, adu))) {
				t.Errorf("%+v is not in % X", adu, b)
			}
		}
	})
}
