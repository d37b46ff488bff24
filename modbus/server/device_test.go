package server_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"

	"modferry/modbus"
	"modferry/modbus/modbustest"
	"modferry/modbus/server"
)

// ask returns the device's reply PDU as hex, or "silent".
func ask(d server.Handler, request string) string {
	b, err := hex.DecodeString(request)
	if err != nil {
		panic(err)
	}
	reply, ok := d.Handle(1, modbus.PDU{FunctionCode: b[0], Data: b[1:]})
	if !ok {
		return "silent"
	}
	return fmt.Sprintf("%02X%X", reply.FunctionCode, reply.Data)
}

func TestSpecificationExamples(t *testing.T) {
	for _, name := range []string{
		"read coils", "read discrete inputs", "read holding registers", "read input registers", "write single coil", "write single coil off",
		"write single register", "loopback", "loopback of two words", "write multiple coils", "write multiple registers", "mask write register",
		"read/write multiple registers", "read FIFO queue",
	} {
		c := modbustest.Named(name)
		want := modbustest.Named(c.Reply).ADU.PDU
		reply, ok := exampleDevice(t).Handle(c.ADU.Unit, c.ADU.PDU)
		if !ok || reply.FunctionCode != want.FunctionCode || !bytes.Equal(reply.Data, want.Data) {
			t.Errorf("%s: %02X % X, want %02X % X", name, reply.FunctionCode, reply.Data, want.FunctionCode, want.Data)
		}
	}
}

func TestRequestsThatAreNotAllowed(t *testing.T) {
	d := exampleDevice(t)
	for _, c := range modbustest.Broken(modbustest.NotAllowed) {
		want := c.Exception
		if c.ADU.PDU.FunctionCode == modbus.ReadFileRecord {
			want = modbus.IllegalFunction // the device does not have it
		}
		reply, ok := d.Handle(1, c.ADU.PDU)
		if e := modbus.AsException(reply); !ok || e == nil || e.ExceptionCode != want {
			t.Errorf("%s: %02X % X, want exception %d", c.Name, reply.FunctionCode, reply.Data, want)
		}
	}
	for _, c := range modbustest.Broken(modbustest.WrongRequest) {
		if e := modbus.AsException(first(d.Handle(1, c.ADU.PDU))); e == nil || e.ExceptionCode != modbus.IllegalDataValue {
			t.Errorf("%s: %v, want exception 3", c.Name, e)
		}
	}
}

func first(p modbus.PDU, _ bool) modbus.PDU { return p }

// Each pair of things wrong with a request: the one that the state diagram of its
// function finds first is answered [App 6].
func TestOrderOfExceptions(t *testing.T) {
	for name, tt := range map[string]struct{ request, want string }{
		"function before all":               {"4100", "C101"},
		"function 0":                        {"00", "8001"},
		"function above 127":                {"8300000001", "8301"},
		"quantity before address":           {"03FFFF007E", "8303"},
		"unknown address":                   {"0303E80001", "8302"},
		"half known":                        {"0400130002", "8402"},
		"value of a coil before address":    {"05FFFF0001", "8503"},
		"byte count before address":         {"10FFFF00020300010002", "9003"},
		"coils: byte count before address":  {"0FFFFF00090101", "8F03"},
		"23: write quantity before address": {"17 FFFF 0002 0000 0000 00", "9703"},
		"23: byte count before address":     {"17 FFFF 0002 0000 0001 03 0001", "9703"},
		"23: unknown read address":          {"17 03E8 0001 0000 0001 02 0001", "9702"},
		"23: unknown write address":         {"17 0000 0001 03E8 0001 02 0001", "9702"},
		"22: unknown address":               {"1603E800F20025", "9602"},
		"address before value":              {"10 021F 0002 04 FFFF FFFF", "9002"},
		"read-only before value":            {"10 0200 0011 22" + strings.Repeat("FFFF", 17), "9002"},
		"value":                             {"0602000065", "8603"},
		"the guard's own exception":         {"0602010001", "8604"},
		"read-only":                         {"0602100000", "8602"},
		"FIFO unknown address":              {"1803E8", "9802"},
		"FIFO too long":                     {"18 006B", "9803"},
		"FIFO beyond what is there":         {"18 0008", "9803"},
		"short request":                     {"0300", "8303"},
		"empty request":                     {"03", "8303"},
		"diagnostics without sub-function":  {"08", "8803"},
		"diagnostics unknown sub-function":  {"0800030000", "8801"},
		"diagnostics bad data":              {"08000A0001", "8803"},
		"restart with bad data":             {"0800010001", "8803"},
		"encapsulated interface, other":     {"2B0D", "AB01"},
		"identification code 5":             {"2B0E0500", "AB03"},
		"identification without object":     {"2B0E", "AB03"},
		"identification unknown object":     {"2B0E0403", "AB02"},
	} {
		d := exampleDevice(t)
		if got := ask(d, strings.ReplaceAll(tt.request, " ", "")); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestWritesAreAllOrNothing(t *testing.T) {
	d := exampleDevice(t)
	for _, step := range []struct{ name, request, want string }{
		{"good value", "0602000064", "0602000064"},
		{"bad in the second place", "10 01FE 0003 06 0001 0002 0065", "9002"}, // 0x12C to 0x1FF are not there
		{"bad at the end", "10 0200 0003 06 0007 0001 0000", "9004"},
		{"nothing was written", "0302000003", "03060064 0000 0000"},
		{"bad at the start", "10 0200 0003 06 0065 0000 0001", "9003"},
		{"half of a number", "06 0202 0009", "060202 0009"},
		{"all good", "10 0200 0003 06 0007 0000 0008", "10 0200 0003"},
		{"all written", "0302000003", "0306 0007 0000 0008"},
		{"mask write beyond the limit", "16 0200 FF00 0080", "9603"},
		{"mask write", "16 0200 FFFC 0001", "16 0200 FFFC 0001"},
		{"masked", "0302000001", "0302 0005"},
		{"changed by its guard", "06 0211 0003", "06 0211 0003"},
		{"as changed, side effect done", "03 0211 0003", "0306 0006 0000 0001"},
		{"coils", "0F 0000 000A 02 FFFF", "0F 0000 000A"},
		{"coils written", "01 0000 0010", "0102 FF03"},
		{"coil off", "05 0001 0000", "05 0001 0000"},
		{"coil is off", "01 0000 0002", "0101 01"},
		{"write comes before read", "17 0200 0001 0200 0001 02 0009", "1702 0009"},
		{"refused write reads nothing", "17 0200 0001 0200 0001 02 FFFF", "9703"},
		{"last register", "06FFFF1234", "06FFFF1234"},
		{"last register read", "03FFFF0001", "03021234"},
	} {
		got := ask(d, strings.ReplaceAll(step.request, " ", ""))
		if want := strings.ReplaceAll(step.want, " ", ""); got != want {
			t.Fatalf("%s: %s, want %s", step.name, got, want)
		}
	}
}

func TestServerIDAndIdentification(t *testing.T) {
	d := exampleDevice(t)
	text := func(s string) string { return fmt.Sprintf("%02X%X", len(s), s) }
	head := "00" + text("vendor") + "01" + text("code") + "02" + text("1.0")
	for name, tt := range map[string]struct{ request, want string }{
		"server id":             {"11", "110405FF6964"},
		"basic":                 {"2B0E0100", "2B0E0183000003" + head},
		"regular":               {"2B0E0200", "2B0E0283000004" + head + "04" + text("product")},
		"extended does not fit": {"2B0E0300", "2B0E0383FF8004" + head + "04" + text("product")},
		"the rest":              {"2B0E0380", "2B0E0383000001" + "80" + text(strings.Repeat("x", 240))},
		"one":                   {"2B0E0404", "2B0E0483000001" + "04" + text("product")},
		"unknown first object begins at the start": {"2B0E0109", "2B0E0183000003" + head},
	} {
		if got := ask(d, tt.request); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestDiagnostics(t *testing.T) {
	d := exampleDevice(t)
	for _, step := range []struct{ name, request, want string }{
		{"loopback", "0800001122334455667788", "0800001122334455667788"},
		{"an exception", "0303E80001", "8302"},
		{"three messages so far", "08000E0000", "08000E0003"},
		{"one exception", "08000D0000", "08000D0001"},
		{"listen only", "0800040000", "silent"},
		{"reads get nothing", "0400010002", "silent"},
		{"writes do nothing", "0600000001", "silent"},
		{"restart is not answered", "0800010000", "silent"},
		{"talks again", "0300000001", "03020000"},
		{"messages since restart", "08000E0000", "08000E0002"},
	} {
		if got := ask(d, step.request); got != step.want {
			t.Fatalf("%s: %s, want %s", step.name, got, step.want)
		}
	}
}

func TestOnlyItsFunctions(t *testing.T) {
	d, err := server.NewDevice(server.DeviceOptions{
		Spans:     []modbus.Span{{Table: modbus.HoldingRegisters, Quantity: 1}},
		Functions: []byte{3},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(d, "0300000001"); got != "03020000" {
		t.Error(got)
	}
	for code := 0; code < 256; code++ {
		if code == 3 {
			continue
		}
		if got, want := ask(d, fmt.Sprintf("%02X00000001", code)), fmt.Sprintf("%02X01", code|0x80); got != want {
			t.Errorf("function %d: %s, want %s", code, got, want)
		}
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	one := modbus.Span{Table: modbus.HoldingRegisters, Quantity: 1}
	for name, o := range map[string]server.DeviceOptions{
		"no table":               {Spans: []modbus.Span{{Quantity: 1}}},
		"beyond the end":         {Spans: []modbus.Span{{Table: modbus.Coils, Address: 65535, Quantity: 2}}},
		"guard of nothing":       {Spans: []modbus.Span{one}, Guards: []server.Guard{{Span: modbus.Span{Table: modbus.Coils, Quantity: 1}}}},
		"two guards":             {Spans: []modbus.Span{one}, Guards: []server.Guard{{Span: one}, {Span: one}}},
		"function it cannot":     {Functions: []byte{7}},
		"17 without id":          {Functions: []byte{17}},
		"identification lacks 1": {Identification: map[byte]string{0: "a", 2: "b"}},
		"object too long":        {Identification: map[byte]string{0: strings.Repeat("x", 245), 1: "", 2: ""}},
	} {
		if _, err := server.NewDevice(o); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// Writers that always write two equal registers, and readers that never see them differ.
func TestEachRequestIsOneStep(t *testing.T) {
	d := exampleDevice(t)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range uint16(500) {
				v := n<<2 | uint16(i)
				d.Handle(1, modbus.WriteRegistersRequest(10, []uint16{v, v}))
			}
		})
		all.Go(func() {
			for range 500 {
				reply, _ := d.Handle(1, modbus.ReadRequest(3, 10, 2))
				if v := modbus.Registers(reply.Data[1:]); v[0] != v[1] {
					t.Errorf("half a write was read: %v", v)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestTables(t *testing.T) {
	tables, err := server.NewTables(modbus.Span{Table: modbus.Coils, Address: 10, Quantity: 5},
		modbus.Span{Table: modbus.Coils, Address: 12, Quantity: 1}, modbus.Span{Table: modbus.Coils, Address: 15, Quantity: 2})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[uint16]bool{9: false, 10: true, 14: true, 15: true, 16: true, 17: false} {
		if _, ok := tables.Get(modbus.Coils, address); ok != want {
			t.Errorf("coil %d there: %v, want %v", address, ok, want)
		}
	}
	if tables.Set(modbus.Coils, 16, 1, 1) {
		t.Error("set a coil that is not there")
	}
	if v, _ := tables.Get(modbus.Coils, 16); v != 0 {
		t.Error("a Set that failed set something")
	}
	if !tables.Set(modbus.Coils, 14, 1, 1) {
		t.Error("cannot set across two spans that touch")
	}
}
