//go:build linux || darwin

package simulator_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/simulator"
	"modferry/simulator/wire"
)

// station is a client of one face.
type station struct {
	testing.TB
	*simulator.Simulator
	framing modbus.Framing
	line    io.ReadWriter
	next    uint16 // transaction id
}

// faceNames are the faces that every fault is tried on.
var faceNames = []string{"tcp", "pty RTU", "pty ASCII", "udp", "rtu_over_tcp", "ascii_over_tcp", "memory"}

// ofTCP, ofRTU and ofASCII are the faces with these frames.
var (
	ofTCP   = []string{"tcp", "udp"}
	ofRTU   = []string{"pty RTU", "rtu_over_tcp", "memory"}
	ofASCII = []string{"pty ASCII", "ascii_over_tcp"}
)

// packets reads what comes in datagrams as one stream.
type packets struct {
	*bufio.Reader
	net.Conn
}

func (p packets) Read(b []byte) (int, error) { return p.Reader.Read(b) }

// onFace returns a client of a face of a device that measures 30.5 °C and 54.6 %.
func onFace(t *testing.T, face string) *station {
	t.Helper()
	o := simulator.Options{Profile: xymd02(t), Unit: 1, Calls: 100}
	c := &station{TB: t}
	switch face {
	case "tcp":
		c.Simulator, c.framing = newSimulator(t, o), modbus.TCP
		address := tcp(t, c.Simulator)
		run(t, c.Simulator)
		c.line = dial(t, address)
	case "udp":
		c.Simulator, c.framing = newSimulator(t, o), modbus.TCP
		address, err := c.ListenUDP(":0")
		if err != nil {
			t.Fatal(err)
		}
		run(t, c.Simulator)
		conn, err := net.Dial("udp", address.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		c.line = packets{bufio.NewReader(conn), conn}
	case "rtu_over_tcp", "ascii_over_tcp":
		c.Simulator, c.framing = newSimulator(t, o), map[string]modbus.Framing{"rtu_over_tcp": modbus.RTU, "ascii_over_tcp": modbus.ASCII}[face]
		address, err := c.ListenStream(":0", c.framing)
		if err != nil {
			t.Fatal(err)
		}
		run(t, c.Simulator)
		c.line = dial(t, address.String())
	case "memory":
		c.Simulator, c.framing = newSimulator(t, o), modbus.RTU
		line := wire.New()
		if err := c.Join(line.Join()); err != nil {
			t.Fatal(err)
		}
		run(t, c.Simulator)
		client := line.Join()
		if err := client.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		c.line = client
	case "pty RTU":
		c.framing = modbus.RTU
		c.Simulator, c.line = ptyLine(t, o)
	case "pty ASCII":
		c.framing, o.Framing = modbus.ASCII, modbus.ASCII
		c.Simulator, c.line = ptyLine(t, o)
	}
	pin(t, c.Simulator, 30.5)
	return c
}

var (
	askBoth   = modbus.ReadRequest(modbus.ReadInputRegisters, 1, 2)
	replyBoth = modbus.PDU{FunctionCode: modbus.ReadInputRegisters, Data: []byte{4, 1, 0x31, 2, 0x22}}

	// The last word of a test: nothing that is not expected can have been said before its reply.
	askLast   = modbus.ReadRequest(modbus.ReadHoldingRegisters, 0x102, 1)
	replyLast = modbus.PDU{FunctionCode: modbus.ReadHoldingRegisters, Data: []byte{2, 0x25, 0x80}}
)

func (c *station) frame(transaction uint16, unit byte, p modbus.PDU) []byte {
	return c.framing.Append(nil, modbus.ADU{Transaction: transaction, Unit: unit, PDU: p})
}

// say sends a request and returns its transaction id.
func (c *station) say(unit byte, p modbus.PDU) uint16 {
	c.Helper()
	c.next++
	id := c.next
	if c.framing != modbus.TCP {
		id = 0
	}
	if _, err := c.line.Write(c.frame(id, unit, p)); err != nil {
		c.Fatal(err)
	}
	return id
}

// hears asks for both values, and for the last word, and checks all that is heard.
func (c *station) hears(want func(transaction uint16) []byte) {
	c.Helper()
	wanted := want(c.say(1, askBoth))
	wanted = append(wanted, c.frame(c.say(1, askLast), 1, replyLast)...)
	c.expect(wanted)
}

func (c *station) expect(wanted []byte) {
	c.Helper()
	heard := make([]byte, len(wanted))
	if n, err := io.ReadFull(c.line, heard); err != nil || !bytes.Equal(heard, wanted) {
		c.Fatalf("heard % X, %v\nwant  % X\n(%q)", heard[:n], err, wanted, heard[:n])
	}
}

func (c *station) fault(text string) simulator.FaultState {
	c.Helper()
	f, err := simulator.ParseFault([]byte(text))
	if err != nil {
		c.Fatal(err)
	}
	added, err := c.AddFaults(f)
	if err != nil {
		c.Fatal(err)
	}
	return added[0]
}

// whole is the good reply.
func (c *station) whole(id uint16) []byte { return c.frame(id, 1, replyBoth) }

func joined(parts ...[]byte) []byte { return slices.Concat(parts...) }

// Each fault makes of the reply exactly what it says, on each face that has it; what
// it does not concern is as ever.
func TestFaultsOnTheWire(t *testing.T) {
	exception := func(code byte) modbus.PDU { return modbus.ExceptionPDU(4, code) }
	for _, tt := range []struct {
		fault string
		want  func(c *station, id uint16) []byte
		faces []string // nil: all
	}{
		{"drop: reply", func(*station, uint16) []byte { return nil }, nil},
		{"drop: request", func(*station, uint16) []byte { return nil }, nil},
		{"exception: 6", func(c *station, id uint16) []byte { return c.frame(id, 1, exception(6)) }, nil},
		{"short: 1", func(c *station, id uint16) []byte {
			return c.frame(id, 1, modbus.PDU{FunctionCode: 4, Data: []byte{2, 1, 0x31}})
		}, nil},
		{"short: 3", func(c *station, id uint16) []byte {
			return c.frame(id, 1, modbus.PDU{FunctionCode: 4, Data: []byte{0}})
		}, nil},
		{`reply: "04 02 FFFF"`, func(c *station, id uint16) []byte {
			return c.frame(id, 1, modbus.PDU{FunctionCode: 4, Data: []byte{2, 0xFF, 0xFF}})
		}, nil},
		{`raw: "68 65 6C 6C 6F"`, func(*station, uint16) []byte { return []byte("hello") }, nil},
		{"wrong_unit: 9", func(c *station, id uint16) []byte { return c.frame(id, 9, replyBoth) }, nil},
		{"wrong_transaction: 7", func(c *station, id uint16) []byte { return c.frame(id+7, 1, replyBoth) }, ofTCP},
		{"bad_check: true", func(c *station, _ uint16) []byte { return fromHex(c, "010404013102222A31") }, ofRTU},
		{"bad_check: true", func(*station, uint16) []byte { return []byte(":010404013102225E\r\n") }, ofASCII},
		{"bad_check: true, wrong_unit: 2", func(c *station, _ uint16) []byte { return []byte(":020404013102225F\r\n") }, ofASCII},
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
		{"close: true", (*station).whole, []string{"tcp, closed", "rtu_over_tcp, closed", "ascii_over_tcp, closed"}},
		{"close: true, drop: reply", func(*station, uint16) []byte { return nil }, []string{"tcp, closed"}},
		{"close: true, truncate: 5", func(c *station, id uint16) []byte { return c.whole(id)[:5] }, []string{"tcp, closed"}},
	} {
		faces := tt.faces
		if faces == nil {
			faces = faceNames
		}
		for _, face := range faces {
			t.Run(tt.fault+" "+face, func(t *testing.T) {
				name, closed := strings.CutSuffix(face, ", closed")
				c := onFace(t, name)
				added := c.fault(tt.fault + ", functions: 4")
				if closed {
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
					!slices.Equal(call.Faults, []string{added.Fault.Name}) || call.Face != strings.ToLower(strings.Fields(name)[0]) {
					t.Errorf("the call is %+v", call)
				}
				if s := c.Faults()[0]; s.Matched != 1 || s.Applied != 1 || s.Fault.Name != added.Fault.Name {
					t.Errorf("the fault's state is %+v", s)
				}
			})
		}
	}
}

// What only some faces have is refused on the others.
func TestFaultsThatMeanNothing(t *testing.T) {
	for text, good := range map[string][]string{
		"bad_check: true": slices.Concat(ofRTU, ofASCII), "wrong_transaction: 1": ofTCP, "close: true": {"tcp", "rtu_over_tcp", "ascii_over_tcp"},
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
