package simulator_test

import (
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/simulator"
)

// asker is a client over TCP.
type asker struct {
	testing.TB
	*simulator.Simulator
	line io.ReadWriter
}

func newAsker(t testing.TB, o simulator.Options) *asker {
	t.Helper()
	o.Profile, o.Unit = xymd02(t), 1
	s := newSimulator(t, o)
	address := tcp(t, s)
	run(t, s)
	return &asker{t, s, dial(t, address)}
}

// wrong asks n times and returns a letter for each reply: E for an exception, else a dot.
func (a *asker) wrong(n int, q modbus.PDU) string {
	a.Helper()
	var letters strings.Builder
	for range n {
		frame := modbus.AppendTCP(nil, modbus.ADU{Unit: 1, PDU: q})
		if _, err := a.line.Write(frame); err != nil {
			a.Fatal(err)
		}
		head := make([]byte, 8)
		if _, err := io.ReadFull(a.line, head); err != nil {
			a.Fatal(err)
		}
		if _, err := io.ReadFull(a.line, make([]byte, int(head[5])-2)); err != nil {
			a.Fatal(err)
		}
		letters.WriteByte(map[bool]byte{true: 'E', false: '.'}[head[7] > 127])
	}
	return letters.String()
}

func (a *asker) add(texts ...string) {
	a.Helper()
	for _, text := range texts {
		f, err := simulator.ParseFault([]byte(text))
		if err != nil {
			a.Fatal(err)
		}
		if _, err := a.AddFaults(f); err != nil {
			a.Fatal(err)
		}
	}
}

var readOne = modbus.ReadRequest(3, 0x103, 1)

func TestWhichRequestsGoWrong(t *testing.T) {
	read, both, write := readOne, modbus.ReadRequest(4, 1, 2), modbus.WriteRegisterRequest(0x104, 1)
	for _, tt := range []struct {
		faults []string
		ask    modbus.PDU
		want   string
	}{
		{[]string{"exception: 4, nth: 3"}, read, "..E......."},
		{[]string{"exception: 4, every: 3"}, read, "..E..E..E."},
		{[]string{"exception: 4, count: 2"}, read, "EE........"},
		{[]string{"exception: 4, every: 2, count: 2"}, read, ".E.E......"},
		{[]string{"exception: 4, functions: 3"}, read, "EEEEEEEEEE"},
		{[]string{"exception: 4, functions: [read_coils, 4]"}, read, ".........."},
		{[]string{"exception: 4, functions: read"}, write, ".........."},
		{[]string{"exception: 4, functions: write"}, write, "EEEEEEEEEE"},
		{[]string{"exception: 4, units: 2-247"}, read, ".........."},
		{[]string{"exception: 4, units: [1, 7]"}, read, "EEEEEEEEEE"},
		{[]string{"exception: 4, addresses: 0x0102"}, read, ".........."},
		{[]string{"exception: 4, addresses: 2-100"}, both, "EEEEEEEEEE"},
		{[]string{"exception: 4, addresses: [0, 3-100]"}, both, ".........."},
		{[]string{"exception: 4, addresses: 0"}, modbus.PDU{FunctionCode: 65}, "EEEEEEEEEE"}, // the device does not have it; no fault
		{[]string{"exception: 4, faces: [pty, tcp]"}, read, "EEEEEEEEEE"},
		{[]string{"exception: 4, probability: 1"}, read, "EEEEEEEEEE"},
		{[]string{"delay: 1ms, nth: 1", "exception: 4, count: 1"}, read, ".E........"},             // the first has it alone
		{[]string{"delay: 1ms, nth: 1, also: true", "exception: 4, count: 1"}, read, "E........."}, // or not
	} {
		a := newAsker(t, simulator.Options{})
		a.add(tt.faults...)
		if got := a.wrong(10, tt.ask); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.faults, got, tt.want)
		}
	}
}

// The same seed makes the same requests go wrong, about as many as it says.
func TestProbabilityIsSeeded(t *testing.T) {
	wrong := func(fault string) string {
		a := newAsker(t, simulator.Options{})
		a.add(fault)
		return a.wrong(1000, readOne)
	}
	first := wrong("exception: 4, probability: 0.2, seed: 5")
	if n := strings.Count(first, "E"); math.Abs(float64(n)-200) > 60 {
		t.Errorf("%d of 1000 went wrong", n)
	}
	if again := wrong("exception: 4, probability: 0.2, seed: 5"); again != first {
		t.Errorf("with the same seed:\n%s\n%s", first, again)
	}
	if other := wrong("exception: 4, probability: 0.2, seed: 6"); other == first {
		t.Error("another seed makes no difference")
	}
}

// Faults begin and end by the simulator's clock.
func TestTimeOfFaults(t *testing.T) {
	clock := simulator.NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	clock.Pause()
	a := newAsker(t, simulator.Options{Clock: clock})
	a.add("exception: 4, after: 10s, for: 20s", "exception: 4, until: 2026-01-01T00:00:05Z")
	got := ""
	for range 8 {
		got += a.wrong(1, readOne)
		if err := clock.Step(5 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if want := "E.EEEE.."; got != want {
		t.Errorf("every five seconds: %s, want %s", got, want)
	}
	for _, f := range a.Faults() {
		if !f.Spent {
			t.Errorf("%+v", f)
		}
	}
}

func TestAddingAndRemovingFaults(t *testing.T) {
	a := newAsker(t, simulator.Options{})
	a.add("exception: 4, nth: 1, name: mine", "delay: 1ms")
	if got := a.wrong(2, readOne); got != "E." {
		t.Error(got)
	}
	all := a.Faults()
	if len(all) != 2 || all[0].Fault.Name != "mine" || !all[0].Spent || all[0].Matched != 1 || all[1].Fault.Name != "fault-1" || all[1].Applied != 1 || all[1].Spent {
		t.Errorf("%+v", all)
	}
	if _, err := a.AddFaults(simulator.Fault{Delay: 1}, simulator.Fault{Name: "mine", Delay: 1}); err == nil || !strings.Contains(err.Error(), "the name is taken") || len(a.Faults()) != 2 {
		t.Errorf("%v, %+v", err, a.Faults())
	}
	if !a.RemoveFault("mine") || a.RemoveFault("mine") || len(a.Faults()) != 1 {
		t.Errorf("%+v", a.Faults())
	}
	if added, err := a.AddFaults(simulator.Fault{Delay: 1}, simulator.Fault{Name: "fault-3", Delay: 1}, simulator.Fault{Delay: 1}); err != nil || added[0].Fault.Name != "fault-2" || added[2].Fault.Name != "fault-4" {
		t.Errorf("%+v, %v", added, err)
	}
	if _, err := a.SetFaults(make([]simulator.Fault, simulator.MaxFaults+1)...); err == nil || len(a.Faults()) != 4 {
		t.Error("more faults than there may be")
	}
}
