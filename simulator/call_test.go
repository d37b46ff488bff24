package simulator_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/simulator"
)

func calls(t testing.TB, s *simulator.Simulator, f simulator.CallFilter) []simulator.Call {
	t.Helper()
	all, _, err := s.Calls(f, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func numbers(all []simulator.Call) string {
	var list []string
	for _, c := range all {
		list = append(list, fmt.Sprint(c.Number))
	}
	return strings.Join(list, " ")
}

func upper(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

// The log has what was on the wire, and knows why.
func TestCallsOnTheWire(t *testing.T) {
	a := newAsker(t, simulator.Options{Calls: 10})
	pin(t, a.Simulator, 30.5)
	a.add("wrong_unit: 9, functions: 4, nth: 2, name: odd", "drop: reply, functions: 6", "exception: 4, functions: 16")
	talk(t, a.line, "0001 0000 0006 01 04 0001 0002", "0001 0000 0007 01 04 04 0131 0222")
	talk(t, a.line, "0002 0000 0006 01 04 0001 0002", "0002 0000 0007 09 04 04 0131 0222")
	talk(t, a.line, "0003 0000 0006 01 06 0103 000A"+"0004 0000 0006 05 06 0103 000A"+"0005 0000 0009 01 10 0103 0001 02 000A", "0005 0000 0003 01 90 04")
	want := []struct{ request, reply, faults string }{
		{"000100000006010400010002", "00010000000701040401310222", "[]"},
		{"000200000006010400010002", "00020000000709040401310222", "[odd]"},
		{"00030000000601060103000A", "", "[fault-1]"},
		{"00040000000605060103000A", "", "[]"},
		{"00050000000901100103000102000A", "000500000003019004", "[fault-2]"},
	}
	all := calls(t, a.Simulator, simulator.CallFilter{})
	if len(all) != len(want) {
		t.Fatalf("%d calls", len(all))
	}
	for i, c := range all {
		if upper(c.Request) != want[i].request || upper(c.Reply) != want[i].reply || fmt.Sprint(c.Faults) != want[i].faults ||
			c.Number != uint64(i+1) || c.Face != "tcp" || !strings.HasPrefix(c.Client, "127.0.0.1:") || c.Answered() != (want[i].reply != "") {
			t.Errorf("call %d: %+v", i+1, c)
		}
	}
	yes, no := true, false
	for want, f := range map[string]simulator.CallFilter{
		"1 2": {Function: "read"}, "3 4 5": {Function: "write"}, "3 4": {Function: "6"}, "5": {Function: "write_multiple_registers"},
		"4": {Units: []simulator.Range{{First: 5, Last: 5}}}, "1 2 5": {Answered: &yes}, "3 4 ": {Answered: &no}, " 3 4 5": {Since: 2},
		"2": {Fault: "odd"}, "1 2 ": {Address: []simulator.Range{{First: 2, Last: 0x102}}}, " 3 4 5 ": {Address: []simulator.Range{{First: 0x103, Last: 0x103}}},
		"": {Face: "pty"}, " ": {Since: 5},
	} {
		if got := numbers(calls(t, a.Simulator, f)); got != strings.TrimSpace(want) {
			t.Errorf("%+v: %s, want %s", f, got, want)
		}
	}
	if _, _, err := a.Calls(simulator.CallFilter{Function: "red"}, 1); err == nil {
		t.Error("a function that there is not")
	}
}

func TestCallInWords(t *testing.T) {
	a := newAsker(t, simulator.Options{Calls: 10})
	pin(t, a.Simulator, 30.5)
	talk(t, a.line, "0001 0000 0006 01 04 0001 0002"+"0002 0000 0006 01 06 0101 0100", "0001 0000 0007 01 04 04 0131 0222"+"0002 0000 0003 01 86 03")
	all := calls(t, a.Simulator, simulator.CallFilter{})
	for i, want := range []string{
		`"unit":1,"function":4,"function_name":"read_input_registers","touches":[{"table":"input","address":1,"quantity":2,"write":false}],"request":"000100000006010400010002","reply":"00010000000701040401310222","answered":true,"decoded":{`,
		`"answered":true,"exception":3,"decoded":{`,
	} {
		b, err := json.Marshal(all[i])
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s, %v\nwant %s", b, err, want)
		}
	}
}

// A call that was looked at stays what it was when another has taken its place.
func TestCallsThatWereLookedAtStay(t *testing.T) {
	a := newAsker(t, simulator.Options{Calls: 1})
	pin(t, a.Simulator, 30.5)
	talk(t, a.line, "0001 0000 0006 01 04 0001 0001", "0001 0000 0005 01 04 02 0131")
	before := calls(t, a.Simulator, simulator.CallFilter{})[0]
	talk(t, a.line, "0002 0000 0006 01 03 0101 0001", "0002 0000 0005 01 03 02 0001")
	after := calls(t, a.Simulator, simulator.CallFilter{})[0]
	for i, c := range []struct {
		simulator.Call
		request, reply, data string
	}{{before, "000100000006010400010001", "000100000005010402 0131", "00010001"}, {after, "000200000006010301010001", "000200000005010302 0001", "01010001"}} {
		if upper(c.Request) != c.request || upper(c.Reply) != strings.ReplaceAll(c.reply, " ", "") || upper(c.PDU.Data) != c.data {
			t.Errorf("call %d: %+v", i+1, c.Call)
		}
	}
}

// What is full makes room, and says so.
func TestLogOfCallsIsBounded(t *testing.T) {
	a := newAsker(t, simulator.Options{Calls: 3})
	a.wrong(8, readOne)
	all, n, err := a.Calls(simulator.CallFilter{}, 2)
	if err != nil || numbers(all) != "6 7" || n != (simulator.CallCount{Last: 8, Kept: 3, Lost: 5}) {
		t.Errorf("%s, %+v, %v", numbers(all), n, err)
	}
	if err := a.ForgetCalls(); err != nil {
		t.Fatal(err)
	}
	a.wrong(1, readOne)
	all, n, err = a.Calls(simulator.CallFilter{}, 10)
	if err != nil || numbers(all) != "9" || n != (simulator.CallCount{Last: 9, Kept: 1}) {
		t.Errorf("%s, %+v, %v", numbers(all), n, err)
	}
	none := newAsker(t, simulator.Options{})
	if _, _, err := none.Calls(simulator.CallFilter{}, 1); !errors.Is(err, simulator.ErrNoCalls) || !errors.Is(none.ForgetCalls(), simulator.ErrNoCalls) {
		t.Errorf("%v", err)
	}
	if _, err := none.WaitCall(t.Context(), simulator.CallFilter{}); !errors.Is(err, simulator.ErrNoCalls) {
		t.Errorf("%v", err)
	}
}

func TestWaitCall(t *testing.T) {
	a := newAsker(t, simulator.Options{Calls: 100})
	writes := simulator.CallFilter{Function: "6", Address: []simulator.Range{{First: 0x103, Last: 0x103}}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	a.wrong(1, readOne)
	if _, err := a.WaitCall(ctx, writes); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing was written: %v", err)
	}
	var waiting sync.WaitGroup
	for range 3 {
		waiting.Go(func() {
			if c, err := a.WaitCall(t.Context(), writes); err != nil || c.Number != 22 {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
	a.wrong(20, readOne)
	a.wrong(1, modbus.WriteRegisterRequest(0x103, 1))
	waiting.Wait()
	if c, err := a.WaitCall(t.Context(), writes); err != nil || c.Number != 22 { // one that is kept
		t.Errorf("%+v, %v", c, err)
	}
}

// events returns the next n events as JSON.
func events(t testing.TB, l *simulator.Listener, n int) (all []string) {
	t.Helper()
	for range n {
		select {
		case e := <-l.Events:
			b, err := json.Marshal(e.Data)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e.Kind+" "+string(b))
		case <-time.After(patience):
			t.Fatalf("only %q", all)
		}
	}
	return all
}

func TestEvents(t *testing.T) {
	a := newAsker(t, simulator.Options{Calls: 10})
	a.add("delay: 1ms, name: slow, functions: 4")
	foreign := modbus.AppendTCP(nil, modbus.ADU{Unit: 9, PDU: modbus.WriteRegisterRequest(0x104, 10)}) // nobody is there
	if _, err := a.line.Write(foreign); err != nil {
		t.Fatal(err)
	}
	if _, err := a.WaitCall(t.Context(), simulator.CallFilter{}); err != nil {
		t.Fatal(err)
	}
	if err := a.ForgetCalls(); err != nil {
		t.Fatal(err)
	}
	l := a.Listen()
	if _, err := a.line.Write(foreign); err != nil {
		t.Fatal(err)
	}
	a.wrong(1, modbus.WriteRegisterRequest(0x103, 10))
	a.wrong(1, modbus.WriteRegisterRequest(0x103, 5000)) // refused
	a.wrong(1, modbus.ReadRequest(4, 1, 1))
	a.PowerCycle()
	got := events(t, l, 7)
	for i, want := range []string{
		`call {"number":2,`,
		`value {"unit":1,"table":"holding","address":259,"values":[10],"names":{"temperature_correction":1},"source":"client"}`,
		`call {"number":3,`, `call {"number":4,`, `call {"number":5,`, `fault {"name":"slow","what":"applied","call":5}`, `power {"unit":1}`,
	} {
		if !strings.HasPrefix(got[i], want) {
			t.Errorf("event %d is %s, want %s", i, got[i], want)
		}
	}
	l.Close()
	a.wrong(1, readOne)
	select {
	case e := <-l.Events:
		t.Errorf("after the end: %+v", e)
	default:
	}
}

// Who is too slow is told how much was lost, and hears what comes then.
func TestSlowListener(t *testing.T) {
	a := newAsker(t, simulator.Options{Calls: 10})
	l := a.Listen()
	defer l.Close()
	a.wrong(1100, readOne)
	if got := events(t, l, 1024); !strings.HasPrefix(got[1023], `call {"number":1024,`) {
		t.Error(got[1023])
	}
	a.wrong(1, readOne)
	if got := events(t, l, 2); got[0] != `lost {"events":76}` || !strings.HasPrefix(got[1], `call {"number":1101,`) {
		t.Error(got)
	}
}
