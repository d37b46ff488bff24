//go:build linux || darwin

package simulator_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/simulator"
)

// whole is the good reply.
func (c *station) whole(id uint16) []byte { return c.frame(id, 1, replyBoth) }

func joined(parts ...[]byte) []byte { return slices.Concat(parts...) }

// wireFault is what is heard when something goes wrong.
type wireFault struct {
	fault string
	want  func(c *station, id uint16) []byte
	faces []string // nil: all; the others have no such thing
}

func heardNothing(*station, uint16) []byte { return nil }

// wireFaults are all kinds of faults, some of them together.
func wireFaults() []wireFault {
	reply := func(code byte, data ...byte) func(c *station, id uint16) []byte {
		return func(c *station, id uint16) []byte { return c.frame(id, 1, modbus.PDU{FunctionCode: code, Data: data}) }
	}
	badCheck := func(unit byte, ascii string) func(c *station, id uint16) []byte {
		return func(c *station, id uint16) []byte {
			if c.framing == modbus.ASCII {
				return []byte(ascii)
			}
			frame := c.frame(id, unit, replyBoth)
			frame[len(frame)-1] ^= 0xFF
			return frame
		}
	}
	return []wireFault{
		{"drop: reply", heardNothing, nil},
		{"drop: request", heardNothing, nil},
		{"exception: 6", reply(0x84, 6), nil},
		{"short: 1", reply(4, 2, 1, 0x31), nil},
		{"short: 3", reply(4, 0), nil},
		{`reply: "04 02 FFFF"`, reply(4, 2, 0xFF, 0xFF), nil},
		{`raw: "68 65 6C 6C 6F"`, func(*station, uint16) []byte { return []byte("hello") }, nil},
		{"wrong_unit: 9", func(c *station, id uint16) []byte { return c.frame(id, 9, replyBoth) }, nil},
		{"wrong_transaction: 7", func(c *station, id uint16) []byte { return c.frame(id+7, 1, replyBoth) }, ofTCP},
		{"bad_check: true", badCheck(1, ":010404013102225E\r\n"), slices.Concat(ofRTU, ofASCII)},
		{"bad_check: true, wrong_unit: 2", badCheck(2, ":020404013102225F\r\n"), slices.Concat(ofRTU, ofASCII)},
		{"truncate: 4", func(c *station, id uint16) []byte { return c.whole(id)[:4] }, nil},
		{"truncate: 400", (*station).whole, nil},
		{"duplicate: 2", func(c *station, id uint16) []byte { return joined(c.whole(id), c.whole(id), c.whole(id)) }, nil},
		{`noise: {before: 3, after: 2, bytes: "FF 00"}`, func(c *station, id uint16) []byte {
			return joined([]byte{0xFF, 0, 0xFF}, c.whole(id), []byte{0xFF, 0})
		}, nil},
		{`drop: reply, noise: {after: 2, bytes: "55"}`, func(*station, uint16) []byte { return []byte{0x55, 0x55} }, nil},
		{"echo: true", func(c *station, id uint16) []byte { return joined(c.frame(id, 1, askBoth), c.whole(id)) }, nil},
		{"echo: true, drop: request", func(c *station, id uint16) []byte { return c.frame(id, 1, askBoth) }, nil},
		{"delay: 30ms", (*station).whole, nil},
		{"drip: {bytes: 2, every: 1ms}", (*station).whole, nil},
		{"close: true", (*station).whole, ofConnections},
		{"close: true, drop: reply", heardNothing, ofConnections},
		{"close: true, truncate: 5", func(c *station, id uint16) []byte { return c.whole(id)[:5] }, ofConnections},
	}
}

// Each fault makes of the reply exactly what it says, on each face that has it, and is
// refused where no face has it; what it does not concern is as ever.
func TestFaultsOnTheWire(t *testing.T) {
	for _, tt := range wireFaults() {
		for _, face := range faceNames {
			t.Run(tt.fault+" "+face, func(t *testing.T) {
				c := onFace(t, face)
				if tt.faces == nil || slices.Contains(tt.faces, face) {
					c.proves(t, face, tt)
				} else if f, err := simulator.ParseFault([]byte(tt.fault)); err != nil {
					t.Error(err)
				} else if _, err := c.AddFaults(f); err == nil || len(c.Faults()) > 0 {
					t.Errorf("it is not refused: %v", c.Faults())
				}
			})
		}
	}
}

// proves lets a fault strike, and looks at the bytes and at what is told of them.
func (c *station) proves(t *testing.T, face string, tt wireFault) {
	added := c.fault(tt.fault + ", functions: 4")
	if strings.Contains(tt.fault, "close") {
		c.expect(tt.want(c, c.say(1, askBoth)))
		if n, err := c.line.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) || err == nil {
			t.Errorf("the connection gives %d bytes, %v", n, err)
		}
	} else {
		c.hears(func(id uint16) []byte { return tt.want(c, id) })
	}
	call, id := calls(t, c.Simulator, simulator.CallFilter{})[0], uint16(1)
	if c.framing != modbus.TCP {
		id = 0
	}
	if !bytes.Equal(call.Request, c.frame(id, 1, askBoth)) || !bytes.Equal(call.Reply, tt.want(c, id)) ||
		!slices.Equal(call.Faults, []string{added.Fault.Name}) || call.Face != strings.Fields(face)[0] {
		t.Errorf("the call is %+v", call)
	}
	if s := c.Faults()[0]; s.Matched != 1 || s.Applied != 1 || s.Fault.Name != added.Fault.Name {
		t.Errorf("the fault's state is %+v", s)
	}
}

// Whatever the documentation says that can go wrong is among what is tried.
func TestEveryKindOfFaultIsTried(t *testing.T) {
	page, err := os.ReadFile("../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	_, acts, _ := strings.Cut(string(page), "What goes wrong: ")
	acts, _, found := strings.Cut(acts, "\nA fault with")
	keys := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(acts, -1)
	if !found || len(keys) < 15 {
		t.Fatalf("the page has %q", keys)
	}
	for _, key := range keys {
		if !slices.ContainsFunc(wireFaults(), func(tt wireFault) bool { return strings.Contains(tt.fault, key[1]+":") }) {
			t.Errorf("%s is not tried", key[1])
		}
	}
}

// What only some faces have is refused on the others.
func TestFaultsThatMeanNothing(t *testing.T) {
	for text, good := range map[string][]string{
		"bad_check: true": slices.Concat(ofRTU, ofASCII), "wrong_transaction: 1": ofTCP, "close: true": ofConnections,
		"delay: 1s, faces: tcp": {"tcp"}, "delay: 1s, faces: [pty, udp]": {"pty RTU", "pty ASCII", "udp"}, "delay: 1s": faceNames,
	} {
		for _, face := range faceNames {
			c := onFace(t, face)
			f, err := simulator.ParseFault([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.AddFaults(simulator.Fault{Delay: 1}, f)
			if want := slices.Contains(good, face); (err == nil) != want {
				t.Errorf("%s on %s: %v", text, face, err)
			}
			if n := len(c.Faults()); err != nil && n != 0 {
				t.Errorf("%s on %s: %d faults are there after an error", text, face, n)
			}
		}
	}
}

// A late reply comes when it should, and what comes in meanwhile is answered after it.
func TestDelayedAndDrippingReplies(t *testing.T) {
	for _, face := range faceNames {
		c := onFace(t, face)
		c.fault("delay: 120ms, functions: 4")
		start := time.Now()
		c.hears(c.whole)
		if took := time.Since(start); took < 120*time.Millisecond {
			t.Errorf("%s: the delayed reply came after %v", face, took)
		}
		if _, err := c.SetFaults(); err != nil {
			t.Fatal(err)
		}
		c.fault("drip: {bytes: 1, every: 5ms}, functions: 4")
		start = time.Now()
		id := c.say(1, askBoth)
		whole := c.whole(id)
		c.expect(whole[:1])
		c.expect(whole[1:])
		if took, least := time.Since(start), time.Duration(len(whole)-1)*5*time.Millisecond; took < least {
			t.Errorf("%s: %d bytes dripped in %v, want %v", face, len(whole), took, least)
		}
	}
}

// A request that is dropped is not done; a reply that is dropped is of one that was.
func TestWhatIsDroppedAndDone(t *testing.T) {
	for _, face := range faceNames {
		for fault, want := range map[string]float64{"drop: request": 0, "exception: 4": 0, "drop: reply": 5, "truncate: 1": 5, `raw: "00"`: 5} {
			c := onFace(t, face)
			c.fault(fault + ", functions: write")
			c.say(1, modbus.WriteRegisterRequest(0x103, 50))
			if v, err := waitWritten(c, 1); err != nil || v != want {
				t.Errorf("%s, %s: the register is %v, %v; want %v", face, fault, v, err, want)
			}
		}
	}
}

// waitWritten returns the temperature correction after the first call to a unit.
func waitWritten(c *station, unit byte) (float64, error) {
	if _, err := c.WaitCall(c.Context(), simulator.CallFilter{Units: []simulator.Range{{First: int(unit), Last: int(unit)}}}); err != nil {
		return 0, err
	}
	v, err := c.Device(1).Value("temperature_correction")
	return v.Float(), err
}

// Without units a fault concerns those that are there; with them, any.
func TestFaultsOfUnitsThatAreNotThere(t *testing.T) {
	for _, face := range faceNames {
		c := onFace(t, face)
		c.fault("exception: 6, functions: 4")
		c.say(7, askBoth)
		c.hears(func(id uint16) []byte { return c.frame(id, 1, modbus.ExceptionPDU(4, 6)) })
		c.fault("exception: 11, units: 5-8")
		id := c.say(7, askBoth)
		c.expect(c.frame(id, 7, modbus.ExceptionPDU(4, 11)))
		if _, err := c.SetFaults(); err != nil {
			t.Fatal(err)
		}
		c.fault("wrong_unit: 1, units: 7") // there is no reply that could be from another unit
		c.say(7, askBoth)
		c.hears(c.whole)
	}
}

// A broadcast is done, and never answered, whatever goes wrong.
func TestFaultsOfBroadcasts(t *testing.T) {
	for _, face := range slices.Concat(ofRTU, ofASCII) {
		for fault, want := range map[string]float64{"duplicate: 1": 5, "exception: 4": 0, `raw: "00"`: 5, "truncate: 1": 5, "drop: request": 0} {
			c := onFace(t, face)
			c.fault(fault + ", functions: write")
			c.say(0, modbus.WriteRegisterRequest(0x103, 50))
			if v, err := waitWritten(c, 0); err != nil || v != want {
				t.Errorf("%s, %s: the register is %v, %v; want %v", face, fault, v, err, want)
			}
			c.expect(c.frame(c.say(1, askLast), 1, replyLast))
		}
		c := onFace(t, face)
		c.fault("exception: 4, units: 0") // a device that does not know better
		c.say(0, modbus.WriteRegisterRequest(0x103, 0))
		c.expect(c.frame(0, 0, modbus.ExceptionPDU(6, 4)))
	}
}

// Replies that wait to be sent do not wait for a later one's delay: requests that
// come in one segment.
func TestEarlierRepliesDoNotWait(t *testing.T) {
	c := onFace(t, "tcp")
	c.fault("delay: 1h, functions: 3")
	both := append(c.frame(1, 1, askBoth), c.frame(2, 1, askLast)...)
	if _, err := c.line.Write(both); err != nil {
		t.Fatal(err)
	}
	c.expect(c.whole(1))
}

func TestCloseIsAnEnd(t *testing.T) {
	c := onFace(t, "tcp")
	c.fault("close: true, drop: request, count: 1")
	c.say(1, askBoth)
	if _, err := io.ReadAll(c.line); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
}

// libmodbus, by its command line client, sees each fault for what it is.
func TestLibmodbusSeesFaults(t *testing.T) {
	mbpoll := gatewaytest.Need(t, "mbpoll")
	s := newSimulator(t, simulator.Options{Profile: xymd02(t), Unit: 1})
	path, err := s.OpenPTY("")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(tcp(t, s))
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	pin(t, s, 30.5)
	for _, tt := range []struct{ fault, rtu, tcp string }{
		{"exception: 6", "Slave device or server is busy", "Slave device or server is busy"},
		{"drop: reply", "Connection timed out", "Connection timed out"},
		{"bad_check: true", "Invalid CRC", "305"},
		{"short: 1", "Invalid data", "Invalid data"},
		{"truncate: 5", "Connection timed out", "Connection timed out"},
		{"wrong_unit: 9", "Response not from requested slave", ""},
		{"wrong_transaction: 1", "305", "Invalid data"},
		{"close: true, drop: reply", "305", "Connection reset by peer"},
		{"drip: {bytes: 1, every: 1ms}", "305", "305"},
		{"delay: 50ms", "305", "305"},
		{"duplicate: 1", "305", "305"},
	} {
		f, err := simulator.ParseFault([]byte(tt.fault))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.SetFaults(f); err != nil {
			t.Fatal(err)
		}
		for _, client := range []struct {
			want string
			line []string
		}{{tt.rtu, []string{"-m", "rtu", "-b", "9600", "-P", "none", path}}, {tt.tcp, []string{"-m", "tcp", "-p", port, "127.0.0.1"}}} {
			want, line := client.want, client.line
			args := append([]string{"-a", "1", "-q", "-1", "-o", "0.3", "-t", "3", "-r", "2", "-c", "2"}, line...)
			out, _ := exec.Command(mbpoll, args...).CombinedOutput() // it also fails with what is wanted
			if !strings.Contains(string(out), want) {
				t.Errorf("%s, %s: %s\nwant %q", tt.fault, line[1], out, want)
			}
		}
	}
}
