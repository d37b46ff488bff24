package server_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"modferry/modbus"
	"modferry/modbus/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rtu(unit byte, pdu modbus.PDU) []byte {
	return modbus.AppendRTU(nil, modbus.ADU{Unit: unit, PDU: pdu})
}

// exampleDevice has the contents of the specification's examples [App 6]. Holding
// register 0x200 takes 0 to 100, 0x201 and 0x202 hold one number below 0x10000 together,
// 0x210 cannot be written, 0x211 and 0x212 become twice what is written.
func exampleDevice(t testing.TB) *server.Device {
	t.Helper()
	holding := func(address, quantity int) modbus.Span {
		return modbus.Span{Table: modbus.HoldingRegisters, Address: uint16(address), Quantity: quantity}
	}
	d, err := server.NewDevice(server.DeviceOptions{
		Spans: []modbus.Span{
			{Table: modbus.Coils, Quantity: 300}, {Table: modbus.DiscreteInputs, Quantity: 300},
			{Table: modbus.InputRegisters, Quantity: 20},
			holding(0, 100), holding(100, 200), holding(0x200, 0x20), holding(0x4DE, 40), holding(65535, 1),
		},
		Guards: []server.Guard{
			{Span: holding(0x200, 1), Check: func(v []uint16) byte {
				if v[0] > 100 {
					return modbus.IllegalDataValue
				}
				return 0
			}},
			{Span: holding(0x201, 2), Check: func(v []uint16) byte {
				if v[0] != 0 {
					return modbus.ServerDeviceFailure
				}
				return 0
			}},
			{Span: holding(0x210, 1), ReadOnly: true},
			{Span: holding(0x211, 2),
				Check: func(v []uint16) byte { v[0], v[1] = 2*v[0], 2*v[1]; return 0 },
				Wrote: func(t *server.Tables) {
					n, _ := t.Get(modbus.HoldingRegisters, 0x213)
					t.Set(modbus.HoldingRegisters, 0x213, n+1)
				}},
		},
		ServerID:       []byte("\x05\xFFid"),
		Identification: map[byte]string{0: "vendor", 1: "code", 2: "1.0", 4: "product", 0x80: strings.Repeat("x", 240)},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Update(func(tables *server.Tables) {
		bits := func(table modbus.Table, address uint16, packed string, n int) {
			for i, on := range modbus.Bits(fromHex(t, packed), n) {
				if on {
					tables.Set(table, address+uint16(i), 1)
				}
			}
		}
		bits(modbus.Coils, 0x13, "CD6B05", 19)
		bits(modbus.DiscreteInputs, 0xC4, "ACDB35", 22)
		tables.Set(modbus.HoldingRegisters, 0x6B, 0x022B, 0, 0x64)
		tables.Set(modbus.InputRegisters, 1, 0x0131, 0x0222)
		tables.Set(modbus.HoldingRegisters, 3, 0x00FE, 0x0ACD, 1, 3, 0x0D, 0xFF)
		tables.Set(modbus.HoldingRegisters, 0x4DE, 2, 0x01B8, 0x1284)
	})
	return d
}

// silence is how long a test listens for what must not come. In a synctest bubble
// that costs no time.
const silence = 3 * time.Second

// line is the client's end of a line that is being served.
type line struct {
	testing.TB
	net.Conn
}

type serve func(ctx context.Context, port net.Conn) error

// newLine serves one end of a pipe and returns the other. The serving ends with the test.
func newLine(t testing.TB, f serve) line {
	t.Helper()
	client, port := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx, port) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving ended with %v", err)
		}
		client.Close()
	})
	return line{t, client}
}

func (l line) say(frames ...[]byte) {
	l.Helper()
	for _, b := range frames {
		if _, err := l.Write(b); err != nil {
			l.Fatal(err)
		}
	}
}

// hear returns everything that is said until it is silent.
func (l line) hear() string {
	l.Helper()
	var heard []byte
	for {
		b := make([]byte, 600)
		if err := l.SetReadDeadline(time.Now().Add(silence)); err != nil {
			l.Fatal(err)
		}
		n, err := l.Read(b)
		heard = append(heard, b[:n]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return strings.ToUpper(hex.EncodeToString(heard))
		} else if err != nil {
			l.Fatal(err)
		}
	}
}
