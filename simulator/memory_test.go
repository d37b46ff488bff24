package simulator_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/transport"
	"modferry/simulator"
	"modferry/simulator/wire"
)

// stationPort is a client's place on a line in memory.
type stationPort struct{ *wire.Station }

func (stationPort) Timing() transport.Timing { return transport.Timing{} }

// Two simulators and a client on one line: each device answers for itself, keeps
// silent at what is not for it, and is not confused by the other's replies.
func TestMultidrop(t *testing.T) {
	for _, framing := range []modbus.Framing{modbus.RTU, modbus.ASCII} {
		t.Run(framing.String(), func(t *testing.T) {
			p, line := xymd02(t), wire.New()
			var devices []*simulator.Device
			for unit := byte(1); unit <= 2; unit++ {
				s := newSimulator(t, simulator.Options{Profile: p, Unit: unit, Framing: framing})
				if err := s.Join(line.Join()); err != nil {
					t.Fatal(err)
				}
				run(t, s)
				devices = append(devices, s.Devices()...)
			}
			ear := line.Join()
			client := transport.NewStream(transport.StreamOptions{
				Framing: framing, Timeout: patience, Turnaround: time.Millisecond,
				Open: func(context.Context) (transport.Port, error) { return stationPort{line.Join()}, nil },
			})
			defer client.Close()
			var said []byte // what the line must have carried
			note := func(unit byte, pdu modbus.PDU) {
				said = framing.Append(said, modbus.ADU{Unit: unit, PDU: pdu})
			}
			for i := range 200 {
				unit, value := byte(1+i%2), uint16(i%100)
				write := modbus.PDU{FunctionCode: 6, Data: []byte{1, 3, 0, byte(value)}}
				note(unit, write)
				note(unit, write)
				if _, err := modbus.NewClient(framing.Packager(unit), client).WriteSingleRegister(0x103, value); err != nil {
					t.Fatalf("request %d to unit %d: %v", i, unit, err)
				}
				if got, want := ask(t, devices[unit-1], "0301030001"), fmt.Sprintf("0302%04X", value); got != want {
					t.Fatalf("unit %d has %s, %s was written", unit, got, want)
				}
			}
			broadcast := modbus.PDU{FunctionCode: 6, Data: []byte{1, 4, 0, 7}}
			note(0, broadcast)
			if _, err := client.Send(framing.Append(nil, modbus.ADU{PDU: broadcast})); err != nil {
				t.Fatal(err)
			}
			read := modbus.ReadRequest(3, 0x104, 1)
			for unit := byte(1); unit <= 2; unit++ {
				got, err := client.Send(framing.Append(nil, modbus.ADU{Unit: unit, PDU: read}))
				want := framing.Append(nil, modbus.ADU{Unit: unit, PDU: modbus.PDU{FunctionCode: 3, Data: []byte{2, 0, 7}}})
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("unit %d after the broadcast: % X, %v", unit, got, err)
				}
				note(unit, read)
				said = append(said, want...)
			}
			heard := make([]byte, len(said))
			ear.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.ReadFull(ear, heard); err != nil || !bytes.Equal(heard, said) {
				t.Errorf("the line carried something else than requests and their replies: %v", err)
			}
		})
	}
}
