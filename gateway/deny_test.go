package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"modferry/gateway/bus"
	"modferry/gateway/journal"
	"modferry/gateway/message"
	"modferry/gateway/mqtt"
	"modferry/gateway/policy"
	"modferry/modbus"
)

// echoLine is a device that does everything and counts what reaches it.
type echoLine struct {
	mu   sync.Mutex
	seen int
}

func (e *echoLine) Framing() modbus.Framing { return modbus.Bare }

func (e *echoLine) SendContext(_ context.Context, adu []byte) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen++
	a, err := modbus.ParseBare(adu)
	if err != nil {
		return nil, err
	}
	reply := a.PDU
	switch d := a.PDU.Data; a.PDU.FunctionCode {
	case modbus.WriteMultipleCoils, modbus.WriteMultipleRegisters:
		reply.Data = d[:4]
	case modbus.ReadWriteRegisters:
		n := 2 * int(modbus.Registers(d[2:4])[0])
		reply.Data = append([]byte{byte(n)}, make([]byte, n)...)
	}
	return modbus.AppendBare(nil, modbus.ADU{Unit: a.Unit, PDU: reply}), nil
}

// memory is a journal that ends with the test.
func memory(t *testing.T) *journal.Journal {
	t.Helper()
	j, err := journal.Open(journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

var lastID atomic.Int64

// paths are the ways a request can be written.
var paths = map[string]func(unit byte, p modbus.PDU) []byte{
	"hex RTU":     func(u byte, p modbus.PDU) []byte { return fmt.Appendf(nil, "%x", framed(modbus.RTU, u, p)) },
	"hex bare":    func(u byte, p modbus.PDU) []byte { return fmt.Appendf(nil, "% X", framed(modbus.Bare, u, p)) },
	"hex TCP":     func(u byte, p modbus.PDU) []byte { return fmt.Appendf(nil, "%X", framed(modbus.TCP, u, p)) },
	"binary RTU":  func(u byte, p modbus.PDU) []byte { return framed(modbus.RTU, u, p) },
	"binary TCP":  func(u byte, p modbus.PDU) []byte { return framed(modbus.TCP, u, p) },
	"binary bare": func(u byte, p modbus.PDU) []byte { return framed(modbus.Bare, u, p) },
	"ASCII":       func(u byte, p modbus.PDU) []byte { return framed(modbus.ASCII, u, p) },
	"JSON frame":  func(u byte, p modbus.PDU) []byte { return fmt.Appendf(nil, `{"frame":"%X"}`, framed(modbus.RTU, u, p)) },
	"JSON id": func(u byte, p modbus.PDU) []byte { // a new one each time: the same would be answered from the journal
		return fmt.Appendf(nil, `{"id":%d,"frame":"%X"}`, lastID.Add(1), framed(modbus.Bare, u, p))
	},
	"JSON fields": fields,
}

func framed(f modbus.Framing, unit byte, p modbus.PDU) []byte {
	return f.Append(nil, modbus.ADU{Transaction: 7, Unit: unit, PDU: p})
}

// fields writes a request as JSON fields.
func fields(unit byte, p modbus.PDU) []byte {
	spans := modbus.Spans(p)
	written := spans[len(spans)-1]
	o := map[string]any{"unit": unit, "function": p.FunctionCode, "address": written.Address}
	values, _ := modbus.Written(p)
	o["values"] = values
	switch p.FunctionCode {
	case modbus.MaskWriteRegister:
		o["values"] = modbus.Registers(p.Data[2:])
	case modbus.ReadWriteRegisters:
		o["address"], o["quantity"], o["write_address"] = spans[0].Address, spans[0].Quantity, written.Address
	}
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // a map of numbers always marshals
	}
	return text
}

// Every function that writes a span, on every path, with its span at every position
// around the allowed addresses 100 to 104 of unit 1: what is wholly inside is
// executed once, everything else is answered with an exception and never sent.
func TestDenyMatrix(t *testing.T) {
	device := &echoLine{}
	b := bus.New(bus.Options{Line: device, Queue: 10})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	defer running.Wait()
	defer cancel()
	replies := make(chan string, 10)
	l := &line{
		bus: b, topics: message.Topics{Prefix: "p"}.Bus("b", "", ""), log: slog.New(slog.DiscardHandler), audit: func(message.Audit) {},
		journal: memory(t),
		rules:   policy.Rules{{Clients: []string{"panel"}, Units: []policy.Range{{From: 1, To: 1}}, Addresses: []policy.Range{{From: 100, To: 104}}}},
		publish: func(e mqtt.Event) {
			replies <- e.Topic + " " + string(e.Payload)
		},
	}
	cases := 0
	for path, write := range paths {
		for name, request := range spanWriters {
			for address := uint16(97); address <= 107; address++ {
				for n := 1; n <= 6; n++ {
					p := request(address, n)
					for _, who := range []struct {
						client string
						unit   byte
					}{{"panel", 1}, {"panel", 2}, {"phone", 1}} {
						cases++
						before := device.seen
						l.serve(who.client, mqtt.Message{Topic: "topic", Payload: write(who.unit, p), Ack: func() {}})
						reply := <-replies
						span := modbus.Spans(p)
						inside := true
						for _, s := range span {
							inside = inside && s.Address >= 100 && s.End() <= 105
						}
						wanted := 0
						if inside && who.client == "panel" && who.unit == 1 {
							wanted = 1
						}
						if got := device.seen - before; got != wanted || !strings.HasPrefix(reply, "p/bus/b/response/"+who.client+" ") {
							t.Fatalf("%s, function %s, %d from %d, client %s, unit %d: %d frames on the line, want %d; %q", path, name, n, address, who.client, who.unit, got, wanted, reply)
						}
					}
				}
			}
		}
	}
	t.Logf("%d requests", cases)
}

// spanWriters are the functions that write a span; those that write one item ignore n.
var spanWriters = map[string]func(address uint16, n int) modbus.PDU{
	"5":  func(a uint16, _ int) modbus.PDU { return modbus.WriteCoilRequest(a, true) },
	"6":  func(a uint16, _ int) modbus.PDU { return modbus.WriteRegisterRequest(a, 7) },
	"15": func(a uint16, n int) modbus.PDU { return modbus.WriteCoilsRequest(a, make([]bool, n)) },
	"16": func(a uint16, n int) modbus.PDU { return modbus.WriteRegistersRequest(a, make([]uint16, n)) },
	"22": func(a uint16, _ int) modbus.PDU { return modbus.MaskWriteRequest(a, 0xFF00, 1) },
	"23 written": func(a uint16, n int) modbus.PDU {
		return modbus.ReadWriteRequest(100, 1, a, make([]uint16, n))
	},
	"23 read": func(a uint16, n int) modbus.PDU { return modbus.ReadWriteRequest(a, uint16(n), 100, []uint16{1}) },
}
