package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"modferry/gateway/bus"
	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/gateway/mqtt"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/transport"
)

// recorder is a line whose device answers by a function, and which keeps the requests.
type recorder struct {
	answer func(modbus.PDU) (modbus.PDU, error)
	mu     sync.Mutex
	seen   []modbus.ADU
}

func (r *recorder) Framing() modbus.Framing { return modbus.Bare }

func (r *recorder) SendContext(_ context.Context, adu []byte) ([]byte, error) {
	a, err := modbus.ParseBare(adu)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.seen = append(r.seen, a)
	r.mu.Unlock()
	reply, err := r.answer(a.PDU)
	if err != nil {
		return nil, err
	}
	return modbus.AppendBare(nil, modbus.ADU{Unit: a.Unit, PDU: reply}), nil
}

// take returns what came since it was called last.
func (r *recorder) take() []modbus.ADU {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

// confirm is a device that does everything; its registers hold 0.
func confirm(p modbus.PDU) (modbus.PDU, error) {
	switch p.FunctionCode {
	case modbus.WriteMultipleCoils, modbus.WriteMultipleRegisters:
		p.Data = p.Data[:4]
	case modbus.ReadHoldingRegisters:
		n := 2 * int(modbus.Registers(p.Data)[1])
		p.Data = append([]byte{byte(n)}, make([]byte, n)...)
	case modbus.ReadCoils:
		n := (int(modbus.Registers(p.Data)[1]) + 7) / 8
		p.Data = append([]byte{byte(n)}, make([]byte, n)...)
	}
	return p, nil
}

// bench is a setter of unit 1 in front of a line, and what becomes of its sets.
type bench struct {
	*setter
	results chan string
	audits  []message.Audit
	soon    []string
}

func newBench(t *testing.T, device bus.Line, readings ...*profile.Reading) *bench {
	t.Helper()
	b := &bench{results: make(chan string, 10)}
	owner := bus.New(bus.Options{Name: "b", Line: device, Queue: 10})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { owner.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	b.setter = &setter{
		line: &line{
			bus: owner, journal: memory(t), log: slog.New(slog.DiscardHandler),
			audit: func(a message.Audit) { b.audits = append(b.audits, a) }, publish: func(e mqtt.Event) { b.results <- string(e.Payload) },
		},
		device: config.Device{Name: "d", Unit: 1}, lacks: &lacking{}, soon: func(reading string) { b.soon = append(b.soon, reading) },
	}
	for _, r := range readings {
		b.device.Readings = append(b.device.Readings, *r)
	}
	return b
}

// set sets a reading and returns the result.
func (b *bench) set(reading string, m mqtt.Message) string {
	m.Ack = func() {}
	set, r, fault := b.admit("d", reading, m)
	if fault != nil {
		return string(fault.SetResult())
	}
	b.serve(set, r, m, address{topic: "result"}, true)
	return <-b.results
}

// corpus is what people and programs publish, with good and bad will.
var corpus = func() []string {
	all := []string{
		"", " ", "0", "1", "2", "5", "-1", "21.5", "1e3", "1e400", "-1e400", "1e-400", "NaN", "-Infinity", "0x7F", "7F", "65535", "65536", "1e300",
		"99999999999999999999999", "true", "ON", "off", "heat", "null", "[]", "[1,2,3]", "[true,false,true]", `["pump"]`, `["pump","alarm"]`, "{}", "[[1,2,3]]",
		"2026-11-24T12:00:00Z", "abc", "010600660001", "01100064000204FFFFFFFF", ":010600640001F4", "\x01\x06\x00\x64\x00\x01\x08\x15", "\x00", "\xff\xfe",
		`{"frame":"010600660001"}`, `{"unit":1,"function":6,"address":102,"values":[1]}`, `{"value":1,"address":102}`, `{"value":1,"unit":2}`, `{"value":1,"bit":5}`,
		strings.Repeat("9", 1024), strings.Repeat("9", 1025), "[" + strings.Repeat("1,", 400) + "1]", "[" + strings.Repeat("[", 900) + "]",
	}
	for _, plain := range all {
		if len(plain) < 900 {
			all = append(all, fmt.Sprintf(`{"id":%d,"value":%s}`, len(all), plain), fmt.Sprintf(`{"id":%d,"value":%q}`, len(all), plain))
		}
	}
	return all
}()

// Whatever is published on a set topic, only the reading's own registers of its own
// unit are written, within its limits; what is refused never reaches the line.
func TestSetDenyMatrix(t *testing.T) {
	readings := []*profile.Reading{setpoint, count, wide, great, mode, pump, valve, valves, curve, rough, part, flags, label, clock, total}
	fixed := *count
	fixed.Name, fixed.Set = "fixed", nil
	device := &recorder{answer: confirm}
	b := newBench(t, device, append(readings, &fixed)...)
	sets, made := 0, 0
	for i := range b.device.Readings {
		r := &b.device.Readings[i]
		for _, payload := range corpus {
			for _, m := range []mqtt.Message{{}, {Retained: true}} {
				sets++
				m.Payload = []byte(payload)
				result := b.set(r.Name, m)
				seen, ok := device.take(), strings.Contains(result, `"ok":true`)
				if ok != (len(seen) > 0) || ok && m.Retained || ok && r.Set == nil {
					t.Fatalf("%s %.60q, retained %v: %d frames, %s", r.Name, payload, m.Retained, len(seen), result)
				}
				for _, a := range seen {
					made++
					for _, s := range modbus.Spans(a.PDU) {
						if a.Unit != 1 || s.Table != r.Table || s.Address < r.Address || s.End() > r.Span().End() {
							t.Fatalf("%s %.60q writes %+v of unit %d", r.Name, payload, s, a.Unit)
						}
					}
				}
			}
		}
	}
	if made < 100 {
		t.Errorf("only %d sets were made", made)
	}
	t.Logf("%d sets, %d made", sets, made)
}

// A message that the broker delivers again is answered from memory.
func TestRow19RedeliveredSetIsMadeOnce(t *testing.T) {
	device := &recorder{answer: confirm}
	b := newBench(t, device, setpoint)
	for i, c := range []struct {
		payload   string
		duplicate bool
		made      int
	}{
		{"21", false, 1}, {"21", true, 0}, {"21", true, 0}, {"21", false, 1}, {"22", true, 1}, // that one never came before
		{`{"id":1,"value":21}`, false, 1}, {`{"id":1,"value":21}`, true, 0}, {`{"id":1,"value":21}`, false, 0},
	} {
		result := b.set("setpoint", mqtt.Message{Payload: []byte(c.payload), Duplicate: c.duplicate})
		if n := len(device.take()); n != c.made || !strings.Contains(result, `"ok":true`) {
			t.Errorf("%d, %s, duplicate %v: %d writes, %s", i, c.payload, c.duplicate, n, result)
		}
	}
}

// A change of some bits that fails on its way tells how far it came.
func TestSetOfBitsThatFails(t *testing.T) {
	exception := func(function, code byte) func(modbus.PDU) (modbus.PDU, error) {
		return func(p modbus.PDU) (modbus.PDU, error) {
			switch {
			case p.FunctionCode == modbus.MaskWriteRegister && function != modbus.MaskWriteRegister:
				return modbus.ExceptionPDU(p.FunctionCode, modbus.IllegalFunction), nil
			case p.FunctionCode == function:
				return modbus.ExceptionPDU(p.FunctionCode, code), nil
			}
			return confirm(p)
		}
	}
	for _, c := range []struct {
		name     string
		answer   func(modbus.PDU) (modbus.PDU, error)
		requests []byte // functions on the line
		want     string
		says     string
	}{
		{"mask refused", exception(22, 2), []byte{22}, `"code":"exception"`, `"outcome":"refused"`},
		{"mask failed", exception(22, 4), []byte{22}, `"exception":4`, `"outcome":"unknown"`},
		{"no reading", exception(3, 2), []byte{22, 3}, `"exception":2`, `"outcome":"refused"`},
		{"no writing", exception(6, 3), []byte{22, 3, 6}, `"exception":3`, `"outcome":"refused"`},
		{"neither function", exception(6, 1), []byte{22, 3, 6, 16}, `"ok":true`, `"outcome":"done"`},
		{"no function at all", func(p modbus.PDU) (modbus.PDU, error) {
			if modbus.IsWrite(p.FunctionCode) {
				return modbus.ExceptionPDU(p.FunctionCode, modbus.IllegalFunction), nil
			}
			return confirm(p)
		}, []byte{22, 3, 6, 16}, `"exception":1`, `"outcome":"refused"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			device := &recorder{answer: c.answer}
			b := newBench(t, device, pump)
			result := b.set("pump", mqtt.Message{Payload: []byte("on")})
			var functions []byte
			for _, a := range device.take() {
				functions = append(functions, a.PDU.FunctionCode)
			}
			if string(functions) != string(c.requests) || !strings.Contains(result, c.want) || !strings.Contains(result, c.says) {
				t.Errorf("functions %v, %s; want %v, %s, %s", functions, result, c.requests, c.want, c.says)
			}
			if len(b.audits) != 1 || b.audits[0].Client != "d/pump" {
				t.Errorf("the audit is %+v, want one line", b.audits)
			}
		})
	}
}

// A device that keeps silent at function 22 is asked for it once: its register is read
// and written from then on. One that does not answer at all is asked for it again.
func TestSetOfBitsOfASilentDevice(t *testing.T) {
	var dead atomic.Bool
	device := &recorder{answer: func(p modbus.PDU) (modbus.PDU, error) {
		if p.FunctionCode == modbus.MaskWriteRegister || dead.Load() {
			return p, &transport.Error{Kind: transport.Timeout, Sent: true, Err: errors.New("silence")}
		}
		return confirm(p)
	}}
	b := newBench(t, device, pump)
	for i, c := range []struct {
		dead      bool
		functions string // on the line
		want      string
	}{
		{true, "[22 3]", `"outcome":"unknown"`}, {false, "[22 3]", `"outcome":"unknown"`}, {false, "[3 6]", `"ok":true`}, {true, "[3]", `"outcome":"refused"`},
	} {
		dead.Store(c.dead)
		result := b.set("pump", mqtt.Message{Payload: []byte("on")})
		var functions []int
		for _, a := range device.take() {
			functions = append(functions, int(a.PDU.FunctionCode))
		}
		if fmt.Sprint(functions) != c.functions || !strings.Contains(result, c.want) {
			t.Errorf("%d: functions %v, %s; want %s, %s", i, functions, result, c.functions, c.want)
		}
	}
}
