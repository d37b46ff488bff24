package modbus_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"modferry/modbus"
	"modferry/modbus/modbustest"
)

// tooLong is no exception: the request has a length that its function cannot have.
const tooLong = 255

// answer is what a server would say to a request: 0 for a good one, or an exception.
func answer(p modbus.PDU) byte {
	err := modbus.CheckRequest(p)
	if refused, ok := errors.AsType[*modbus.RequestError](err); ok {
		return refused.Exception
	}
	if err != nil {
		return tooLong
	}
	return 0
}

func TestRequestsOfTheTable(t *testing.T) {
	for _, c := range modbustest.Cases() {
		switch {
		case c.IsReply():
			continue
		case c.Fault == "" || c.Fault == modbustest.NotAllowed:
			if got := answer(c.ADU.PDU); got != c.Exception {
				t.Errorf("%s: exception %d, want %d", c.Name, got, c.Exception)
			}
		case c.Fault == modbustest.WrongRequest:
			if err := modbus.CheckRequest(c.ADU.PDU); !errors.As(err, new(*modbus.LengthError)) {
				t.Errorf("%s: %v, want a length error", c.Name, err)
			}
		}
	}
}

// The greatest quantities [App 6.1 to 6.4, 6.11, 6.12, 6.17].
func TestQuantityAtBothEdges(t *testing.T) {
	bits := func(n int) modbus.PDU { return modbus.WriteCoilsRequest(0, make([]bool, n)) }
	registers := func(n int) modbus.PDU { return modbus.WriteRegistersRequest(0, make([]uint16, n)) }
	read := func(function byte) func(int) modbus.PDU {
		return func(n int) modbus.PDU { return modbus.ReadRequest(function, 0, uint16(n)) }
	}
	for _, test := range []struct {
		name  string
		build func(quantity int) modbus.PDU
		most  int
	}{
		{"read coils", read(1), 2000},
		{"read discrete inputs", read(2), 2000},
		{"read holding registers", read(3), 125},
		{"read input registers", read(4), 125},
		{"write coils", bits, 1968},
		{"write registers", registers, 123},
		{"read/write registers, read", func(n int) modbus.PDU { return modbus.ReadWriteRequest(0, uint16(n), 0, make([]uint16, 1)) }, 125},
		{"read/write registers, write", func(n int) modbus.PDU { return modbus.ReadWriteRequest(0, 1, 0, make([]uint16, n)) }, 121},
	} {
		for _, edge := range []struct {
			quantity int
			want     byte
		}{{0, modbus.IllegalDataValue}, {1, 0}, {test.most, 0}, {test.most + 1, modbus.IllegalDataValue}} {
			got := answer(test.build(edge.quantity))
			if got == tooLong && edge.want != 0 { // one more does not even fit the PDU
				continue
			}
			if got != edge.want {
				t.Errorf("%s: quantity %d gives exception %d, want %d", test.name, edge.quantity, got, edge.want)
			}
		}
		longest := append([]byte{0}, test.build(test.most).Data...)
		if len(longest) > modbus.MaxPDU {
			t.Errorf("%s: quantity %d makes a PDU of %d bytes", test.name, test.most, len(longest))
		}
	}
	for _, function := range []byte{1, 2, 3, 4} {
		if got := answer(modbus.ReadRequest(function, 0, 65535)); got != modbus.IllegalDataValue {
			t.Errorf("function %d: quantity 65535 gives exception %d", function, got)
		}
	}
}

func TestSpanEndsAtTheLastAddress(t *testing.T) {
	for _, test := range []struct {
		name string
		last modbus.PDU // ends with address 65535
		over modbus.PDU // ends one later
	}{
		{"read coils", modbus.ReadRequest(1, 65536-2000, 2000), modbus.ReadRequest(1, 65537-2000, 2000)},
		{"read discrete inputs", modbus.ReadRequest(2, 65535, 1), modbus.ReadRequest(2, 65535, 2)},
		{"read holding registers", modbus.ReadRequest(3, 65536-125, 125), modbus.ReadRequest(3, 65537-125, 125)},
		{"read input registers", modbus.ReadRequest(4, 65535, 1), modbus.ReadRequest(4, 65535, 2)},
		{"write coils", modbus.WriteCoilsRequest(65534, make([]bool, 2)), modbus.WriteCoilsRequest(65535, make([]bool, 2))},
		{"write registers", modbus.WriteRegistersRequest(65534, make([]uint16, 2)), modbus.WriteRegistersRequest(65535, make([]uint16, 2))},
		{"read of read/write", modbus.ReadWriteRequest(65534, 2, 0, make([]uint16, 1)), modbus.ReadWriteRequest(65535, 2, 0, make([]uint16, 1))},
		{"write of read/write", modbus.ReadWriteRequest(0, 1, 65534, make([]uint16, 2)), modbus.ReadWriteRequest(0, 1, 65535, make([]uint16, 2))},
	} {
		if got := answer(test.last); got != 0 {
			t.Errorf("%s up to address 65535 gives exception %d", test.name, got)
		}
		if got := answer(test.over); got != modbus.IllegalDataAddress {
			t.Errorf("%s beyond address 65535 gives exception %d, want 2", test.name, got)
		}
	}
	for _, single := range []modbus.PDU{modbus.WriteCoilRequest(65535, true), modbus.WriteRegisterRequest(65535, 65535), modbus.MaskWriteRequest(65535, 0, 0)} {
		if got := answer(single); got != 0 {
			t.Errorf("function %d at address 65535 gives exception %d", single.FunctionCode, got)
		}
	}
}

func TestCoilValueIsOnOrOff(t *testing.T) {
	for value, want := range map[uint16]byte{0: 0, 0xFF00: 0, 1: 3, 0x00FF: 3, 0xFF01: 3, 0xFEFF: 3, 0xFFFF: 3} {
		p := modbus.PDU{FunctionCode: modbus.WriteSingleCoil, Data: modbus.AppendRegisters(nil, 7, value)}
		if got := answer(p); got != want {
			t.Errorf("coil value %04X gives exception %d, want %d", value, got, want)
		}
	}
}

func TestByteCountsMustFitTheQuantity(t *testing.T) {
	good := []modbus.PDU{
		modbus.WriteCoilsRequest(0, make([]bool, 8)),
		modbus.WriteCoilsRequest(0, make([]bool, 9)),
		modbus.WriteRegistersRequest(0, make([]uint16, 3)),
		modbus.ReadWriteRequest(0, 1, 0, make([]uint16, 3)),
	}
	for _, p := range good {
		at := 4 // where the byte count is
		if p.FunctionCode == modbus.ReadWriteRegisters {
			at = 8
		}
		count := p.Data[at]
		for _, wrong := range []int{-1, 1} {
			changed := append([]byte{}, p.Data[:at]...)
			changed = append(changed, byte(int(count)+wrong))
			changed = append(changed, make([]byte, int(count)+wrong)...)
			if got := answer(modbus.PDU{FunctionCode: p.FunctionCode, Data: changed}); got != modbus.IllegalDataValue {
				t.Errorf("function %d with byte count %d for %d gives exception %d, want 3", p.FunctionCode, int(count)+wrong, count, got)
			}
		}
	}
}

func TestFileRecordAndIdentificationLimits(t *testing.T) {
	counted := func(function byte) func(n int) modbus.PDU {
		return func(n int) modbus.PDU {
			return modbus.PDU{FunctionCode: function, Data: append([]byte{byte(n)}, make([]byte, n)...)}
		}
	}
	identify := func(code int) modbus.PDU {
		return modbus.PDU{FunctionCode: 43, Data: []byte{14, byte(code), 0}}
	}
	for _, test := range []struct {
		name  string
		build func(int) modbus.PDU
		good  []int
		bad   []int
	}{
		{"read file record", counted(20), []int{7, 14, 245}, []int{0, 6, 8, 244, 246, 251}}, // [App 6.14]
		{"write file record", counted(21), []int{9, 251}, []int{0, 8}},                      // [App 6.15]
		{"identification", identify, []int{1, 2, 3, 4}, []int{0, 5, 255}},                   // [App 6.21]
	} {
		for _, n := range test.good {
			if got := answer(test.build(n)); got != 0 {
				t.Errorf("%s %d gives exception %d", test.name, n, got)
			}
		}
		for _, n := range test.bad {
			if got := answer(test.build(n)); got != modbus.IllegalDataValue {
				t.Errorf("%s %d gives exception %d, want 3", test.name, n, got)
			}
		}
	}
}

func TestFunctionCodesOfRequests(t *testing.T) {
	for code := range 256 {
		p := modbus.PDU{FunctionCode: byte(code)}
		err := modbus.CheckRequest(p)
		refused, ok := errors.AsType[*modbus.RequestError](err)
		if illegal := ok && refused.Exception == modbus.IllegalFunction; illegal != (code == 0 || code >= 128) {
			t.Errorf("function %d: %v", code, err)
		}
	}
	standard := []byte{1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 17, 20, 21, 22, 23, 24, 43}
	writes := map[byte]bool{5: true, 6: true, 8: true, 15: true, 16: true, 21: true, 22: true, 23: true, 43: true}
	var got []byte
	for code := range 256 {
		f := byte(code)
		if modbus.IsStandard(f) {
			got = append(got, f)
			if modbus.IsWrite(f) != writes[f] {
				t.Errorf("IsWrite(%d) = %v", f, modbus.IsWrite(f))
			}
			if back, ok := modbus.FunctionByName(modbus.FunctionName(f)); !ok || back != f {
				t.Errorf("function %d is called %q, which is %d", f, modbus.FunctionName(f), back)
			}
			continue
		}
		if !modbus.IsWrite(f) || modbus.FunctionName(f) != "" {
			t.Errorf("function %d is not standard: it must count as a write and have no name", f)
		}
	}
	if !reflect.DeepEqual(got, standard) {
		t.Errorf("standard functions are %v, want %v", got, standard)
	}
	if n := len(modbus.FunctionNames()); n != len(standard) {
		t.Errorf("%d names for %d functions", n, len(standard))
	}
	for _, code := range []byte{64, 65, 72, 73, 99, 100, 110, 111} {
		want := code == 65 || code == 72 || code == 100 || code == 110
		if modbus.IsUserDefined(code) != want {
			t.Errorf("IsUserDefined(%d) = %v", code, !want)
		}
	}
	for _, name := range []string{"read_input_registers", "Read Input Registers", "READ-INPUT-REGISTERS"} {
		if f, ok := modbus.FunctionByName(name); !ok || f != 4 {
			t.Errorf("FunctionByName(%q) = %d, %v", name, f, ok)
		}
	}
	if f, ok := modbus.FunctionByName("read_everything"); ok {
		t.Errorf("an unknown name is function %d", f)
	}
}

func TestSpansAndWrittenValues(t *testing.T) {
	read := func(table modbus.Table, address uint16, n int) modbus.Span {
		return modbus.Span{Table: table, Address: address, Quantity: n}
	}
	write := func(table modbus.Table, address uint16, n int) modbus.Span {
		return modbus.Span{Table: table, Address: address, Quantity: n, Write: true}
	}
	for _, test := range []struct {
		request modbus.PDU
		spans   []modbus.Span
		written []uint16
		known   bool
	}{
		{modbus.ReadRequest(1, 19, 19), []modbus.Span{read(modbus.Coils, 19, 19)}, nil, true},
		{modbus.ReadRequest(2, 196, 22), []modbus.Span{read(modbus.DiscreteInputs, 196, 22)}, nil, true},
		{modbus.ReadRequest(3, 107, 3), []modbus.Span{read(modbus.HoldingRegisters, 107, 3)}, nil, true},
		{modbus.ReadRequest(4, 1, 2), []modbus.Span{read(modbus.InputRegisters, 1, 2)}, nil, true},
		{modbus.WriteCoilRequest(172, true), []modbus.Span{write(modbus.Coils, 172, 1)}, []uint16{1}, true},
		{modbus.WriteCoilRequest(172, false), []modbus.Span{write(modbus.Coils, 172, 1)}, []uint16{0}, true},
		{modbus.WriteRegisterRequest(1, 0xFFFF), []modbus.Span{write(modbus.HoldingRegisters, 1, 1)}, []uint16{0xFFFF}, true},
		{modbus.WriteCoilsRequest(19, []bool{true, false, true, true, false, false, true, true, true, false}),
			[]modbus.Span{write(modbus.Coils, 19, 10)}, []uint16{1, 0, 1, 1, 0, 0, 1, 1, 1, 0}, true},
		{modbus.WriteRegistersRequest(1, []uint16{10, 258}), []modbus.Span{write(modbus.HoldingRegisters, 1, 2)}, []uint16{10, 258}, true},
		{modbus.MaskWriteRequest(4, 0xF2, 0x25), []modbus.Span{read(modbus.HoldingRegisters, 4, 1), write(modbus.HoldingRegisters, 4, 1)}, []uint16{0x05}, false},
		{modbus.MaskWriteRequest(4, 0, 0x25), []modbus.Span{read(modbus.HoldingRegisters, 4, 1), write(modbus.HoldingRegisters, 4, 1)}, []uint16{0x25}, true},
		{modbus.ReadWriteRequest(3, 6, 14, []uint16{255, 255, 255}),
			[]modbus.Span{read(modbus.HoldingRegisters, 3, 6), write(modbus.HoldingRegisters, 14, 3)}, []uint16{255, 255, 255}, true},
		{modbus.PDU{FunctionCode: 24, Data: []byte{0x04, 0xDE}}, []modbus.Span{read(modbus.HoldingRegisters, 0x04DE, 1)}, nil, true},
		{modbus.PDU{FunctionCode: 17}, nil, nil, true},
		{modbus.PDU{FunctionCode: 65, Data: []byte{1}}, nil, nil, true},
	} {
		name := fmt.Sprintf("% X", append([]byte{test.request.FunctionCode}, test.request.Data...))
		if got := modbus.Spans(test.request); !reflect.DeepEqual(got, test.spans) {
			t.Errorf("%s: spans %+v, want %+v", name, got, test.spans)
		}
		if got, known := modbus.Written(test.request); !reflect.DeepEqual(got, test.written) || known != test.known {
			t.Errorf("%s: writes %v (known %v), want %v (%v)", name, got, known, test.written, test.known)
		}
	}
}

func TestExceptionsHaveWords(t *testing.T) {
	for code, name := range map[byte]string{
		1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "server device failure", 5: "acknowledge",
		6: "server device busy", 8: "memory parity error", 10: "gateway path unavailable", 11: "gateway target device failed to respond",
		9: "unknown exception", 200: "unknown exception",
	} {
		if got := modbus.ExceptionName(code); got != name {
			t.Errorf("exception %d is called %q, want %q", code, got, name)
		}
		if modbus.ExceptionHint(code) == "" {
			t.Errorf("exception %d has no hint", code)
		}
	}
	for _, name := range []string{"exception 10 reply", "exception 11 reply"} {
		reply := modbustest.Named(name).ADU.PDU
		e := modbus.AsException(reply)
		if e == nil || e.FunctionCode != 3 || e.ExceptionCode != reply.Data[0] {
			t.Errorf("%s: AsException = %+v", name, e)
			continue
		}
		if back := modbus.ExceptionPDU(e.FunctionCode, e.ExceptionCode); !reflect.DeepEqual(back, reply) {
			t.Errorf("%s: ExceptionPDU = %+v", name, back)
		}
	}
	if e := modbus.AsException(modbustest.Named("read coils reply").ADU.PDU); e != nil {
		t.Errorf("a normal reply is exception %+v", e)
	}
}
