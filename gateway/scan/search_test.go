package scan

import (
	"context"
	"net"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/transport"
	"modferry/simulator"
)

// A connection that takes longer than a unit may, and is opened anew after silences,
// hides no unit.
func TestSlowConnections(t *testing.T) {
	s, err := simulator.New(simulator.Options{Devices: []simulator.DeviceOptions{
		{Profile: profiles(t)[0], Unit: 4}, {Profile: profiles(t)[0], Unit: 9},
	}})
	if err != nil {
		t.Fatal(err)
	}
	face, err := s.Memory(modbus.TCP)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	defer func() { stop(); <-ended }()
	const patience = 100 * time.Millisecond
	dials := 0
	line := transport.NewTCP(transport.TCPOptions{Address: "far", Timeout: patience, Open: func(ctx context.Context) (net.Conn, error) {
		dials++
		select {
		case <-time.After(3 * patience / 2): // is how slow it is
			return face.Dial(ctx)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}})
	report := scanned(t, Line{line}, func(o *Options) { o.Units, o.Timeout = []byte{1, 2, 3, 4, 7, 8, 9}, patience })
	if len(report.Units) != 2 || dials < 2 {
		t.Errorf("%d connections, %+v", dials, report.Units)
	}
}
