//go:build linux || darwin

package simulator_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/simulator"
)

// The shipped configuration answers as the server of libmodbus' test does, byte by
// byte, over TCP and on a terminal.
func TestLibmodbusServer(t *testing.T) {
	c, err := simulator.LoadConfig("../configs/libmodbus-test.yaml", configs)
	if err != nil {
		t.Fatal(err)
	}
	c.TCP, c.PTY = ":0", filepath.Join(t.TempDir(), "line")
	s, err := simulator.Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	conn, line := dial(t, s.Places().TCP), openLine(t, c.PTY)
	zeros := strings.Repeat("00", 64)
	for i, step := range []struct {
		name, request, want string
	}{
		{"coil on", "05 0130 FF00", "05 0130 FF00"},
		{"coil", "01 0130 0001", "01 01 01"},
		{"coils", "0F 0130 0025 05 CD 6B B2 0E 1B", "0F 0130 0025"},
		{"all coils", "01 0130 0025", "01 05 CD 6B B2 0E 1B"},
		{"inputs", "02 01C4 0016", "02 03 AC DB 35"},
		{"a register", "06 0160 1234", "06 0160 1234"},
		{"that register", "03 0160 0001", "03 02 1234"},
		{"registers", "10 0160 0003 06 022B 0001 0064", "10 0160 0003"},
		{"these registers", "03 0160 0003", "03 06 022B 0001 0064"},
		{"write and read", "17 0160 0003 0161 0002 04 0000 0000", "17 06 022B 0000 0000"},
		{"mask write", "16 0160 00F2 0025", "16 0160 00F2 0025"},
		{"masked", "03 0160 0001", "03 02 0027"},
		{"input register", "04 0108 0001", "04 02 000A"},
		{"server id", "11", "11 0B B4 FF 4C4D42332E312E3130"},
		{"all registers", "10 0160 0020 40" + zeros, "10 0160 0020"},
		{"all of them back", "03 0160 0020", "03 40" + zeros},
		{"coils before", "01 012F 0001", "81 02"},
		{"coils beyond", "01 0130 0026", "81 02"},
		{"coil that is not there", "05 0000 FF00", "85 02"},
		{"inputs beyond", "02 01C4 0017", "82 02"},
		{"registers beyond", "03 0160 0021", "83 02"},
		{"input registers beyond", "04 0108 0002", "84 02"},
		{"write beyond", "06 0180 0001", "86 02"},
		{"many writes beyond", "10 0160 0021 42" + zeros + "0000", "90 02"},
		{"too many coils", "01 0130 07D1", "81 03"},
		{"too many inputs", "02 01C4 07D1", "82 03"},
		{"too many registers", "03 0160 007E", "83 03"},
		{"too many input registers", "04 0108 007E", "84 03"},
		{"no register", "03 0160 0000", "83 03"},
		{"unknown function", "42 01", "C2 01"},
		{"one register short", "03 0160 0002", "03 02 0000"},
		{"busy", "03 0170 0001", "83 06"},
		{"not to be written", "06 0170 0011", "86 03"},
		{"late", "03 0172 0001", "03 02 0000"},
		{"byte by byte", "03 0173 0001", "03 02 0000"},
		{"coil with a bad value", "05 0132 FF00", "85 03"},
	} {
		request, want := fromHex(t, step.request), fromHex(t, step.want)
		start := time.Now()
		talk(t, conn, mbap(uint16(i), 0xFF, request), mbap(uint16(i), 0xFF, want))
		took := time.Since(start)
		talk(t, line, serial(17, request), serial(17, want))
		if least := map[string]time.Duration{"late": 500 * time.Millisecond, "byte by byte": 10 * 5 * time.Millisecond}[step.name]; took < least {
			t.Errorf("%s: it took %v", step.name, took)
		}
		if t.Failed() {
			t.Fatalf("in step %s", step.name)
		}
	}
	talk(t, conn, mbap(7, 24, fromHex(t, "03 0160 0001")), mbap(7, 24, fromHex(t, "03 02 0000"))) // any unit, over TCP only
	wrong := fromHex(t, "03 0171 0001")
	talk(t, conn, mbap(500, 17, wrong), mbap(501, 17, fromHex(t, "03 02 0000")))
	talk(t, line, serial(17, wrong), serial(24, fromHex(t, "03 02 0000")))
	for _, unit := range []byte{0, 24} {
		if _, err := line.Write(fromHex(t, serial(unit, fromHex(t, "06 0160 0007")))); err != nil {
			t.Fatal(err)
		}
	}
	talk(t, line, serial(17, fromHex(t, "03 0160 0001")), serial(17, fromHex(t, "03 02 0007"))) // the broadcast, without a word
	line.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if b, err := io.ReadAll(line); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("more was said: % X, %v", b, err)
	}
}

func mbap(transaction uint16, unit byte, pdu []byte) string {
	return fmt.Sprintf("%X", modbus.AppendTCP(nil, modbus.ADU{Transaction: transaction, Unit: unit, PDU: modbus.PDU{FunctionCode: pdu[0], Data: pdu[1:]}}))
}

func serial(unit byte, pdu []byte) string {
	return fmt.Sprintf("%X", modbus.AppendRTU(nil, modbus.ADU{Unit: unit, PDU: modbus.PDU{FunctionCode: pdu[0], Data: pdu[1:]}}))
}
