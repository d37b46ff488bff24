package gateway_test

import (
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"testing"

	"modferry/modbus"
	"modferry/modbus/server"
)

// plc is a device with coils and holding registers that keeps every write that reaches
// it, and every read that belongs to one.
type plc struct {
	*server.Device
	addr string

	mu    sync.Mutex
	twist twist    // nil = it is honest
	seen  []string // requests in hex digits: function and data
}

// twist answers otherwise.
type twist func(unit byte, p modbus.PDU, honest func() modbus.PDU) (reply modbus.PDU, ok bool)

func newPLC(t *testing.T, functions ...byte) *plc {
	t.Helper()
	d, err := server.NewDevice(server.DeviceOptions{Functions: functions, Spans: []modbus.Span{
		{Table: modbus.HoldingRegisters, Address: 0, Quantity: 200}, {Table: modbus.Coils, Address: 0, Quantity: 200},
	}})
	if err != nil {
		t.Fatal(err)
	}
	p := &plc{Device: d}
	p.addr = modbusServer(t, p.answer)
	return p
}

func (p *plc) answer(unit byte, request modbus.PDU) (modbus.PDU, bool) {
	p.mu.Lock()
	p.seen = append(p.seen, strings.ToUpper(hex.EncodeToString(append([]byte{request.FunctionCode}, request.Data...))))
	twist := p.twist
	p.mu.Unlock()
	honest := func() modbus.PDU {
		reply, _ := p.Handle(unit, request)
		return reply
	}
	if twist != nil {
		return twist(unit, request, honest)
	}
	return honest(), true
}

// begin has the device answer otherwise from now on.
func (p *plc) begin(t twist) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.twist = t
}

// since returns what came after the first n requests, without the reads that a poll makes, too.
func (p *plc) since(n int) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.seen[n:]), func(s string) bool { return s[:2] == "03" || s[:2] == "01" })
}

func (p *plc) requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.seen)
}
