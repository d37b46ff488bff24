package simulator_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/transport"
	"modferry/simulator"
)

func opened(t testing.TB, text string, files map[string]string) *simulator.Simulator {
	t.Helper()
	c, err := configured(t, text, files)
	if err != nil {
		t.Fatal(err)
	}
	s, err := simulator.Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Several lines run in one process, each with its devices, which may have the same units.
func TestLines(t *testing.T) {
	c, err := configured(t, `
lines:
  - name: north
    tcp: :0
    devices: [{tables: {holding: 10}}, {unit: 2, tables: {holding: 10}}]
  - name: south
    tcp: :0
    udp: :0
    rtu_over_tcp: :0
    ascii_over_tcp: :0
    devices: [{tables: {holding: 10}}]
    faults: [{exception: 4, units: 1}]
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := simulator.OpenAll(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- simulator.RunAll(ctx, all) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	north, south := all[0].Places(), all[1].Places()
	if north.Line != "north" || len(north.All()) != 1 || len(south.All()) != 4 || south.All()[3] != (simulator.Place{Face: simulator.FaceASCIIOverTCP, Where: south.ASCIIOverTCP}) {
		t.Errorf("%+v, %+v", north.All(), south.All())
	}
	talk(t, dial(t, north.TCP), "0001 0000 0006 01 06 0001 0007 0002 0000 0006 02 03 0001 0001", "0001 0000 0006 01 06 0001 0007 0002 0000 0005 02 03 02 0000")
	talk(t, dial(t, south.TCP), "0001 0000 0006 01 03 0001 0001", "0001 0000 0003 01 83 04")
	if one, two := all[0].Clock(), all[1].Clock(); one == nil || one != two {
		t.Error("the lines have different clocks")
	}
	c.Lines[0].TCP = south.TCP
	if _, err := simulator.OpenAll(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "line north: cannot listen") {
		t.Error(err)
	}
	if _, err := simulator.Open(c, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("several lines were opened as one")
	}
}

// A paced line of a configuration has the speed that its device says.
func TestConfiguredPace(t *testing.T) {
	s := opened(t, "pace: true\nrtu_over_tcp: :0\ndevices: [{serial: {baud: 1200}, tables: {holding: 10}}]", nil)
	run(t, s)
	line := transport.NewStream(transport.StreamOptions{Open: transport.DialTCP(s.Places().RTUOverTCP, nil), Timeout: patience})
	defer line.Close()
	start := time.Now()
	if _, err := line.Send(modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: modbus.ReadRequest(3, 0, 1)})); err != nil {
		t.Fatal(err)
	}
	if took, least := time.Since(start), (8+7)*10*time.Second/1200+35*time.Second/1200; took < least {
		t.Errorf("it took %v, which is faster than 1200 baud allow: %v", took, least)
	}
}

func TestOpen(t *testing.T) {
	c, err := simulator.ParseConfig("x.yaml", []byte("devices: [{profile: xy-md02}]\ntcp: :0\npty: "+filepath.Join(t.TempDir(), "line")), configs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/dev/ptmx"); err != nil {
		c.PTY = ""
	}
	s, err := simulator.Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	c.Serial = &transport.SerialOptions{Path: "/dev/none"}
	if _, err := simulator.Open(c, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("it opened a port that is not there")
	}
	if _, err := os.Lstat(c.PTY); c.PTY != "" && err == nil {
		t.Error("the link stays after an error")
	}
}
