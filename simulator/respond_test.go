package simulator

import (
	"context"
	"net"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/server"
	"modferry/simulator/call"
)

// Without faults a face costs what its devices cost, and a log no memory beyond its own.
func TestRespondAllocatesNothing(t *testing.T) {
	reply := modbus.PDU{FunctionCode: 3, Data: []byte{2, 0, 1}}
	request := modbus.ADU{Unit: 1, PDU: modbus.ReadRequest(3, 0, 1)}
	x := server.Exchange{Framing: modbus.TCP, Client: &net.TCPAddr{}, Request: request, Frame: modbus.AppendTCP(nil, request)}
	ctx := context.Background()
	for name, s := range map[string]*Simulator{"no log": {}, "log": {calls: call.New(1), now: time.Now}} {
		r := responder{Simulator: s, face: FaceTCP, handle: func(byte, modbus.PDU) (modbus.PDU, bool) { return reply, true }}
		if n := testing.AllocsPerRun(100, func() {
			if _, answer, err := r.Respond(ctx, x); !answer || err != nil {
				t.Error("no answer")
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations for each request", name, n)
		}
	}
}
