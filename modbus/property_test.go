package modbus_test

import (
	"bytes"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"modferry/modbus"
)

func drawADU(t *rapid.T, framing modbus.Framing) modbus.ADU {
	a := modbus.ADU{
		Unit: rapid.Byte().Draw(t, "unit"),
		PDU: modbus.PDU{
			FunctionCode: rapid.Byte().Draw(t, "function"),
			Data:         rapid.SliceOfN(rapid.Byte(), 0, modbus.MaxPDU-1).Draw(t, "data"),
		},
	}
	if framing == modbus.TCP {
		a.Transaction = rapid.Uint16().Draw(t, "transaction")
	}
	return a
}

func TestEveryADUSurvivesEveryFraming(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		framing := rapid.SampledFrom([]modbus.Framing{modbus.RTU, modbus.ASCII, modbus.TCP, modbus.Bare}).Draw(t, "framing")
		want := drawADU(t, framing)
		got, err := framing.Parse(framing.Append(nil, want))
		if err != nil || got.Unit != want.Unit || got.Transaction != want.Transaction ||
			got.PDU.FunctionCode != want.PDU.FunctionCode || !bytes.Equal(got.PDU.Data, want.PDU.Data) {
			t.Fatalf("%+v came back as %+v, %v", want, got, err)
		}
	})
}

// A CRC finds every change of one or two bits in a frame of this length, and an LRC every change of one character.
func TestADamagedFrameIsNeverTaken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frame := modbus.AppendRTU(nil, drawADU(t, modbus.RTU))
		first := rapid.IntRange(0, 8*len(frame)-1).Draw(t, "first bit")
		second := rapid.IntRange(0, 8*len(frame)-1).Draw(t, "second bit")
		frame[first/8] ^= 1 << (first % 8)
		if second != first {
			frame[second/8] ^= 1 << (second % 8)
		}
		if a, err := modbus.ParseRTU(frame); err == nil {
			t.Fatalf("bits %d and %d were changed, and the frame is %+v", first, second, a)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		frame := modbus.AppendASCII(nil, drawADU(t, modbus.ASCII))
		at := rapid.IntRange(1, len(frame)-3).Draw(t, "position")
		digit := rapid.SampledFrom([]byte("0123456789ABCDEF")).Filter(func(c byte) bool { return c != frame[at] }).Draw(t, "digit")
		frame[at] = digit
		if a, err := modbus.ParseASCII(frame); err == nil {
			t.Fatalf("digit %d was changed, and the frame is %+v", at, a)
		}
	})
}

func TestRegistersAndBitsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		registers := rapid.SliceOf(rapid.Uint16()).Draw(t, "registers")
		if got := modbus.Registers(modbus.AppendRegisters(nil, registers...)); !equal(got, registers) {
			t.Fatalf("%v came back as %v", registers, got)
		}
		bits := rapid.SliceOf(rapid.Bool()).Draw(t, "bits")
		packed := modbus.AppendBits([]byte{0xAA}, bits)[1:]
		if got := modbus.Bits(packed, len(bits)); !equal(got, bits) {
			t.Fatalf("%v came back as %v", bits, got)
		}
		if len(packed) != (len(bits)+7)/8 {
			t.Fatalf("%d bits take %d bytes", len(bits), len(packed))
		}
	})
}

func equal[T any](a, b []T) bool { return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b) }

// What the builders make within the limits is allowed, touches the span that was
// asked for, and writes the values that were given.
func TestBuiltRequestsSayWhatTheyWereBuiltFrom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, modbus.MaxReadWriteWrite).Draw(t, "quantity")
		address := rapid.Uint16Max(uint16(65536-n)).Draw(t, "address")
		values := rapid.SliceOfN(rapid.Uint16(), n, n).Draw(t, "values")
		bits := make([]bool, n)
		asWritten := make([]uint16, n)
		for i, v := range values {
			if bits[i] = v&1 == 1; bits[i] {
				asWritten[i] = 1
			}
		}
		for _, test := range []struct {
			request modbus.PDU
			written []uint16
		}{
			{modbus.WriteRegistersRequest(address, values), values},
			{modbus.WriteCoilsRequest(address, bits), asWritten},
			{modbus.ReadWriteRequest(address, uint16(n), address, values), values},
			{modbus.ReadRequest(modbus.ReadHoldingRegisters, address, uint16(n)), nil},
		} {
			if err := modbus.CheckRequest(test.request); err != nil {
				t.Fatalf("%v: %v", test.request, err)
			}
			for _, s := range modbus.Spans(test.request) {
				if s.Address != address || s.Quantity != n || s.End() != int(address)+n {
					t.Fatalf("function %d: span %+v", test.request.FunctionCode, s)
				}
			}
			if got, known := modbus.Written(test.request); !known || !equal(got, test.written) {
				t.Fatalf("function %d writes %v, want %v", test.request.FunctionCode, got, test.written)
			}
		}
	})
}
