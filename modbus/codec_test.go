package modbus_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"modferry/modbus"
	"modferry/modbus/modbustest"
)

func TestWholeFramesBothWays(t *testing.T) {
	for _, c := range modbustest.Cases() {
		if c.Fault != "" && c.Fault != modbustest.NotAllowed {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			got, err := c.Framing.Parse(c.Bytes())
			if err != nil || !reflect.DeepEqual(got, c.ADU) {
				t.Errorf("Parse(%s) = %+v, %v, want %+v", c.Text, got, err, c.ADU)
			}
			before := []byte("before")
			if got := c.Framing.Append(before, c.ADU); string(got) != "before"+string(c.Bytes()) {
				t.Errorf("Append gives %q, want %q after what was there", got, c.Bytes())
			}
		})
	}
}

func TestBrokenFramesAreRefusedForWhatTheyAre(t *testing.T) {
	for _, c := range modbustest.Cases() {
		var target any
		switch c.Fault {
		case modbustest.WrongCheck:
			target = new(*modbus.CheckError)
		case modbustest.WrongLength:
			target = new(*modbus.LengthError)
		case modbustest.WrongSyntax:
			target = new(*modbus.SyntaxError)
		default:
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			if got, err := c.Framing.Parse(c.Bytes()); !errors.As(err, target) {
				t.Errorf("Parse(%s) = %+v, %v, want a %T", c.Text, got, err, target)
			}
		})
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	for name, want := range map[string]string{
		"RTU wrong CRC":       "wrong CRC: the frame ends with 20 0C, its bytes give 20 0B",
		"RTU of three bytes":  "RTU frame of 3 bytes: it must have 4 to 256",
		"ASCII wrong LRC":     "wrong LRC: the frame ends with F9, its bytes give F8",
		"ASCII odd digits":    "not a Modbus ASCII frame: it has 13 hex digits, which is not a whole number of bytes",
		"ASCII not a digit":   "not a Modbus ASCII frame: 'G' at position 12 is not a hex digit",
		"ASCII without colon": "not a Modbus ASCII frame: it does not begin with ':'",
		"TCP protocol id 1":   "not a Modbus TCP frame: its protocol id is 1, not 0",
		"TCP length 1":        "not a Modbus TCP frame: its header says 1 bytes follow, outside 2 to 254",
		"TCP truncated":       "TCP frame of 11 bytes: it must have 12",
	} {
		c := modbustest.Named(name)
		if _, err := c.Framing.Parse(c.Bytes()); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestFramesAtTheSizeLimits(t *testing.T) {
	for _, test := range []struct {
		framing  modbus.Framing
		size     int // of the longest frame
		overhead int // what the framing adds to the data, as the shortest frame has it
	}{
		{modbus.RTU, modbus.MaxRTU, 4},
		{modbus.TCP, modbus.MaxTCP, 8},
		{modbus.ASCII, modbus.MaxASCII, 9},
		{modbus.Bare, modbus.MaxPDU + 1, 2},
	} {
		longest := modbus.ADU{Unit: 1, PDU: modbus.PDU{FunctionCode: 65, Data: make([]byte, modbus.MaxPDU-1)}}
		frame := test.framing.Append(nil, longest)
		if len(frame) != test.size {
			t.Errorf("%s: the longest frame has %d bytes, want %d", test.framing, len(frame), test.size)
		}
		if _, err := test.framing.Parse(frame); err != nil {
			t.Errorf("%s: the longest frame is refused: %v", test.framing, err)
		}
		longest.PDU.Data = make([]byte, modbus.MaxPDU)
		if _, err := test.framing.Parse(test.framing.Append(nil, longest)); err == nil {
			t.Errorf("%s: a PDU of 254 bytes is taken", test.framing)
		}
		shortest := test.framing.Append(nil, modbus.ADU{Unit: 1, PDU: modbus.PDU{FunctionCode: 7}})
		if _, err := test.framing.Parse(shortest); err != nil || len(shortest) != test.overhead {
			t.Errorf("%s: the shortest frame has %d bytes, want %d: %v", test.framing, len(shortest), test.overhead, err)
		}
		for n := range len(shortest) {
			if a, err := test.framing.Parse(shortest[:n]); err == nil && test.framing != modbus.ASCII {
				t.Errorf("%s: %d bytes are taken as %+v", test.framing, n, a)
			}
		}
	}
}

func TestASCIIInEitherCaseWithAnyEnding(t *testing.T) {
	want := modbustest.Named("ASCII write multiple coils").ADU
	for _, text := range []string{":010F0013000A02CD0103\r\n", ":010F0013000A02CD0103", ":010f0013000a02cd0103\n", ":010F0013000a02Cd0103"} {
		if got, err := modbus.ParseASCII([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseASCII(%q) = %+v, %v", text, got, err)
		}
	}
}

func TestTCPLengthTellsAStreamHowMuchToRead(t *testing.T) {
	frame := modbustest.Named("TCP read input register").Bytes()
	for n := range frame {
		want := modbus.More
		if n >= 6 {
			want = len(frame)
		}
		if got, err := modbus.TCPLength(frame[:n]); got != want || err != nil {
			t.Errorf("TCPLength of %d bytes = %d, %v, want %d", n, got, err, want)
		}
	}
	for _, bad := range []string{"TCP protocol id 1", "TCP length 1", "TCP length 255"} {
		if n, err := modbus.TCPLength(modbustest.Named(bad).Bytes()); err == nil {
			t.Errorf("%s: TCPLength = %d without error", bad, n)
		}
	}
}

func TestPackagerSpeaksForOneUnit(t *testing.T) {
	for _, framing := range []modbus.Framing{modbus.RTU, modbus.ASCII, modbus.TCP} {
		p := framing.Packager(17)
		request := modbus.ReadRequest(modbus.ReadCoils, 0x13, 0x13)
		frame, err := p.Encode(&request)
		if err != nil {
			t.Fatal(err)
		}
		if want := framing.Append(nil, modbus.ADU{Unit: 17, PDU: request}); !bytes.Equal(frame, want) {
			t.Errorf("%s: Encode = % X, want % X", framing, frame, want)
		}
		if pdu, err := p.Decode(frame); err != nil || !reflect.DeepEqual(*pdu, request) {
			t.Errorf("%s: Decode = %+v, %v", framing, pdu, err)
		}
		answer := modbus.ADU{Unit: 17, PDU: modbus.PDU{FunctionCode: 1, Data: []byte{3, 0xCD, 0x6B, 5}}}
		if err := p.Verify(frame, framing.Append(nil, answer)); err != nil {
			t.Errorf("%s: Verify refuses the reply: %v", framing, err)
		}
		answer.Unit = 18
		if err := p.Verify(frame, framing.Append(nil, answer)); err == nil {
			t.Errorf("%s: Verify takes the reply of another unit", framing)
		}
		if _, err := p.Encode(&modbus.PDU{FunctionCode: 65, Data: make([]byte, modbus.MaxPDU)}); err == nil {
			t.Errorf("%s: Encode takes a PDU of 254 bytes", framing)
		}
	}
}

func TestAppendNeedsNoMemory(t *testing.T) {
	a := modbustest.Named("read/write multiple registers").ADU
	buffer := make([]byte, 0, modbus.MaxASCII)
	for _, framing := range []modbus.Framing{modbus.RTU, modbus.ASCII, modbus.TCP, modbus.Bare} {
		if n := testing.AllocsPerRun(100, func() { framing.Append(buffer, a) }); n != 0 {
			t.Errorf("%s: Append into a buffer with room allocates %v times", framing, n)
		}
		frame := framing.Append(nil, a)
		if n := testing.AllocsPerRun(100, func() { _, _ = framing.Parse(frame) }); n != 0 && framing != modbus.ASCII {
			t.Errorf("%s: Parse allocates %v times", framing, n)
		}
	}
	values, bits := []uint16{1, 2, 3}, make([]bool, 20)
	if n := testing.AllocsPerRun(100, func() { modbus.AppendRegisters(buffer, values...); modbus.AppendBits(buffer, bits) }); n != 0 {
		t.Errorf("AppendRegisters and AppendBits allocate %v times", n)
	}
}

func BenchmarkParseRTU(b *testing.B) {
	frame := modbustest.Named("read/write multiple registers").Bytes()
	for b.Loop() {
		if _, err := modbus.ParseRTU(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendRTU(b *testing.B) {
	a, buffer := modbustest.Named("read/write multiple registers").ADU, make([]byte, 0, modbus.MaxRTU)
	for b.Loop() {
		buffer = modbus.AppendRTU(buffer[:0], a)
	}
}
