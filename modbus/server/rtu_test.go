package server_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"modferry/modbus"
	"modferry/modbus/modbustest"
	"modferry/modbus/server"
)

// units are the handlers of one line by their unit id; a broadcast reaches all of them.
type units map[byte]server.Handler

func (u units) Handle(unit byte, request modbus.PDU) (modbus.PDU, bool) {
	if h, ok := u[unit]; ok {
		return h.Handle(unit, request)
	}
	if unit == modbus.Broadcast {
		for _, h := range u {
			h.Handle(unit, request)
		}
	}
	return modbus.PDU{}, false
}

// serveUnits serves the example device as units 1 and 17.
func serveUnits(t testing.TB, o server.Options) *server.Server {
	d := exampleDevice(t)
	o.Handler = units{1: d, 17: d}
	return server.New(o)
}

func rtuLine(t testing.TB, o server.Options) line {
	s := serveUnits(t, o)
	return newLine(t, func(ctx context.Context, port net.Conn) error { return s.ServeRTU(ctx, port) })
}

const (
	readBoth      = "010400010002200B"
	readBothReply = "010404013102222ACE"
	writeOne      = "010600010003980B"
)

// What is heard for what is said on an RTU line.
func TestRTULine(t *testing.T) {
	foreignReply := rtuHex(5, modbus.PDU{FunctionCode: 3, Data: append([]byte{250}, make([]byte, 250)...)})
	foreignWrite := rtuHex(5, modbus.WriteRegistersRequest(1, make([]uint16, 123)))
	tests := map[string]struct{ say, want string }{
		"request":                                {readBoth, readBothReply},
		"two requests at once":                   {readBoth + writeOne, readBothReply + writeOne},
		"exception":                              {rtuHex(1, modbus.ReadRequest(3, 1000, 1)), "018302C0F1"},
		"other unit":                             {"020400010002" + "2038", ""},
		"wrong CRC":                              {"010400010002200C", ""},
		"broadcast is done and not answered":     {rtuHex(0, modbus.WriteRegisterRequest(9, 7)) + rtuHex(1, modbus.ReadRequest(3, 9, 1)), "0103020007F986"},
		"broadcast read is not answered":         {rtuHex(0, modbus.ReadRequest(3, 9, 1)), ""},
		"foreign request, reply, then ours":      {rtuHex(5, modbus.ReadRequest(3, 0, 125)) + foreignReply + readBoth, readBothReply},
		"foreign write, echo, then ours":         {foreignWrite + rtuHex(5, modbus.PDU{FunctionCode: 16, Data: fromHex(t, "0001007B")}) + readBoth, readBothReply},
		"foreign exception, then ours":           {rtuHex(5, modbus.ExceptionPDU(3, 2)) + readBoth, readBothReply},
		"foreign identification, then ours":      {modbustest.Named("read device identification reply").Text + readBoth, readBothReply},
		"reply of a unit with our request in it": {rtuHex(5, modbus.PDU{FunctionCode: 3, Data: append([]byte{8}, fromHex(t, readBoth)...)}), ""},
		"noise, then ours":                       {"FF00" + readBoth, readBothReply},
		"noise that promises a long frame":       {"0110000000 7BF6" + readBoth, readBothReply},
		"broken frame, then ours":                {"0104000100" + readBoth, readBothReply},
		"zeros":                                  {strings.Repeat("00", 300) + readBoth, readBothReply},
		"unfinished":                             {"0104000100", ""},
		"one byte":                               {"01", ""},
		"vendor function":                        {rtuHex(1, modbus.PDU{FunctionCode: 65, Data: []byte{1, 2, 3}}), "01C101B050"},
		"vendor function of another unit":        {rtuHex(9, modbus.PDU{FunctionCode: 65, Data: []byte{1, 2, 3}}), ""},
		"function that needs no data":            {"1107" + "4C22", rtuHex(17, modbus.ExceptionPDU(7, 1))},
		"loopback of two words":                  {modbustest.Named("loopback of two words").Text, modbustest.Named("loopback of two words").Text},
		"function 0 is noise":                    {"0100" + "0020", ""},
		"unit 248 is noise":                      {rtuHex(248, modbus.ReadRequest(3, 0, 1)) + readBoth, readBothReply},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := rtuLine(t, server.Options{})
				l.say(fromHex(t, tt.say))
				if got := l.hear(); got != tt.want {
					t.Errorf("heard %q, want %q", got, tt.want)
				}
				l.say(fromHex(t, readBoth)) // whatever it was, the line goes on
				if got := l.hear(); got != readBothReply {
					t.Errorf("afterwards heard %q, want %q", got, readBothReply)
				}
			})
		})
	}
}

func rtuHex(unit byte, pdu modbus.PDU) string {
	return strings.ToUpper(hex.EncodeToString(rtu(unit, pdu)))
}

// No function code leaves a client without an answer.
func TestRTUAnswersEveryFunction(t *testing.T) {
	lengths := map[byte][]byte{}
	for _, c := range modbustest.Requests(modbus.RTU) {
		lengths[c.ADU.PDU.FunctionCode] = c.ADU.PDU.Data
	}
	synctest.Test(t, func(t *testing.T) {
		l := rtuLine(t, server.Options{})
		for code := byte(1); code < 128; code++ {
			data, ok := lengths[code]
			if !ok {
				data = []byte{1, 2, 3, 4, 5}[:code%6]
			}
			l.say(rtu(1, modbus.PDU{FunctionCode: code, Data: data}))
			reply, err := modbus.ParseRTU(fromHex(t, l.hear()))
			if err != nil || reply.Unit != 1 || reply.PDU.FunctionCode&^0x80 != code {
				t.Errorf("function %d: %+v, %v", code, reply, err)
			}
		}
	})
}

// Bytes may come one by one, as USB adapters pass them on.
func TestRTUDrip(t *testing.T) {
	for _, name := range []string{"read input registers", "write multiple registers", "loopback of two words"} {
		synctest.Test(t, func(t *testing.T) {
			l := rtuLine(t, server.Options{Silence: 25 * time.Millisecond})
			c := modbustest.Named(name)
			for _, b := range c.Bytes() {
				l.say([]byte{b})
				time.Sleep(20 * time.Millisecond)
			}
			if got := l.hear(); got != modbustest.Named(c.Reply).Text {
				t.Errorf("%s: heard %q", name, got)
			}
		})
	}
}

// 1 to 8 bytes of noise before a request: nothing but the reply is ever said, and
// nearly every request is answered.
func TestRTUNoise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := rtuLine(t, server.Options{})
		random := rand.New(rand.NewPCG(1, 2))
		answered, rounds := 0, 0
		for n := 1; n <= 8; n++ {
			for range 256 {
				noise := make([]byte, n)
				for i := range noise {
					noise[i] = byte(random.Uint32())
				}
				rounds++
				l.say(append(noise, fromHex(t, readBoth)...))
				switch got := l.hear(); got {
				case readBothReply:
					answered++
				case "":
				default:
					t.Fatalf("after noise % X: heard %q", noise, got)
				}
			}
		}
		if answered*1000 < rounds*999 {
			t.Errorf("%d of %d requests were answered", answered, rounds)
		}
	})
}

// A long conversation of a master with other units, in chunks of any size: none of
// it is taken for a request to us, and ours in between are all answered.
func TestRTUAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := rtuLine(t, server.Options{})
		random := rand.New(rand.NewPCG(3, 4))
		others := []string{
			rtuHex(5, modbus.ReadRequest(3, 0x0104, 2)), rtuHex(5, modbus.PDU{FunctionCode: 3, Data: []byte{4, 1, 4, 0, 1}}),
			rtuHex(6, modbus.WriteRegisterRequest(1, 3)), rtuHex(6, modbus.WriteRegisterRequest(1, 3)),
			rtuHex(7, modbus.WriteRegistersRequest(0, modbus.Registers(fromHex(t, readBoth)))), rtuHex(7, modbus.PDU{FunctionCode: 16, Data: []byte{0, 0, 0, 4}}),
			rtuHex(8, modbus.ReadRequest(1, 0, 9)), rtuHex(8, modbus.PDU{FunctionCode: 1, Data: []byte{2, 0xFF, 1}}),
			rtuHex(9, modbus.ReadWriteRequest(0, 1, 0, []uint16{1})), rtuHex(9, modbus.PDU{FunctionCode: 23, Data: []byte{2, 0, 1}}),
			rtuHex(9, modbus.ReadRequest(4, 0, 1)), rtuHex(9, modbus.ExceptionPDU(4, 11)),
		}
		var said, want strings.Builder
		for i := range 600 {
			said.WriteString(others[2*(i%6)] + others[2*(i%6)+1])
			if random.IntN(3) == 0 {
				said.WriteString(readBoth)
				want.WriteString(readBothReply)
			}
		}
		go func() {
			for b := fromHex(t, said.String()); len(b) > 0; {
				n := min(len(b), 1+random.IntN(40))
				if _, err := l.Write(b[:n]); err != nil {
					t.Error(err)
					return
				}
				b = b[n:]
			}
		}()
		if got := l.hear(); got != want.String() {
			t.Errorf("%d bytes heard, want %d", len(got)/2, want.Len()/2)
		}
	})
}

func TestReplyDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := rtuLine(t, server.Options{ReplyDelay: 4 * time.Millisecond})
		start := time.Now()
		l.say(fromHex(t, readBoth))
		if _, err := io.ReadFull(l, make([]byte, 9)); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 4*time.Millisecond {
			t.Errorf("the reply came after %v", d)
		}
	})
}

func TestLineThatFails(t *testing.T) {
	s := serveUnits(t, server.Options{})
	client, port := net.Pipe()
	client.Close()
	if err := s.ServeRTU(t.Context(), port); !errors.Is(err, io.EOF) {
		t.Errorf("the line ended: %v", err)
	}
	broken := errors.New("unplugged")
	stuck := &brokenLine{input: bytes.NewReader(fromHex(t, readBoth)), err: broken, closed: make(chan struct{})}
	if err := s.ServeRTU(t.Context(), stuck); !errors.Is(err, broken) {
		t.Errorf("a write failed: %v", err)
	}
}

// A reply that nobody takes is lost; the line goes on.
func TestReplyThatNobodyTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := rtuLine(t, server.Options{})
		l.say(fromHex(t, readBoth))
		time.Sleep(10 * time.Second) // not reading
		l.say(fromHex(t, readBoth))
		if got := l.hear(); got != readBothReply {
			t.Errorf("heard %q, want one reply", got)
		}
	})
}

// brokenLine reads its input, then waits for Close; it cannot be written.
type brokenLine struct {
	input  *bytes.Reader
	err    error
	closed chan struct{}
}

func (b *brokenLine) Write([]byte) (int, error) { return 0, b.err }
func (b *brokenLine) Close() error              { close(b.closed); return nil }
func (b *brokenLine) Read(p []byte) (int, error) {
	if b.input.Len() > 0 {
		return b.input.Read(p)
	}
	<-b.closed
	return 0, io.EOF
}

func TestASCIILine(t *testing.T) {
	const request, reply = ":010400010002F8\r\n", ":01040401310222A1\r\n"
	for name, tt := range map[string]struct{ say, want string }{
		"request":              {request, reply},
		"lower case":           {strings.ToLower(request), reply},
		"two at once":          {request + request, reply + reply},
		"restarted by a colon": {":0103" + request, reply},
		"noise before":         {"\x00\xFFabc\r\n" + request, reply},
		"wrong LRC":            {":010400010002F9\r\n", ""},
		"no digits":            {":01040001000GF8\r\n", ""},
		"other unit":           {":020400010002F7\r\n", ""},
		"broadcast":            {":000600010003F6\r\n", ""},
		"wrong length":         {":0104000100FA\r\n", ":01840378\r\n"},
		"never ends":           {":" + strings.Repeat("0", 5000), ""},
		"too long, then ours":  {":" + strings.Repeat("0", 600) + "\r\n" + request, reply},
		"example":              {":1103006B00037E\r\n", ":1103060" + "22B0000006455\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveUnits(t, server.Options{})
				l := newLine(t, func(ctx context.Context, port net.Conn) error { return s.ServeASCII(ctx, port) })
				l.say([]byte(tt.say))
				if got, want := l.hear(), strings.ToUpper(hex.EncodeToString([]byte(tt.want))); got != want {
					t.Errorf("heard %s, want %s", got, want)
				}
				l.say([]byte(request))
				if got, want := l.hear(), strings.ToUpper(hex.EncodeToString([]byte(reply))); got != want {
					t.Errorf("afterwards heard %s", got)
				}
			})
		})
	}
}

// A second between two characters is allowed, more gives the frame up [Serial 2.5.2.1].
func TestASCIIPause(t *testing.T) {
	for pause, want := range map[time.Duration]int{900 * time.Millisecond: 19, 1100 * time.Millisecond: 0} {
		synctest.Test(t, func(t *testing.T) {
			s := serveUnits(t, server.Options{})
			l := newLine(t, func(ctx context.Context, port net.Conn) error { return s.ServeASCII(ctx, port) })
			l.say([]byte(":0104000"))
			time.Sleep(pause)
			l.say([]byte("10002F8\r\n"))
			if got := len(l.hear()) / 2; got != want {
				t.Errorf("after a pause of %v: %d bytes heard, want %d", pause, got, want)
			}
		})
	}
}
