//go:build linux || darwin

package simulator_test

import (
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/modbus/transport"
	"modferry/simulator"
)

// openLine opens a terminal as a client would a serial port; reads have a deadline.
func openLine(t testing.TB, path string) *os.File {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return pollable(t, os.NewFile(uintptr(fd), path))
}

func pollable(t testing.TB, f *os.File) *os.File {
	t.Helper()
	t.Cleanup(func() { f.Close() })
	if err := f.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return f
}

func ptyLine(t testing.TB, o simulator.Options) (*simulator.Simulator, *os.File) {
	t.Helper()
	s := newSimulator(t, o)
	link := filepath.Join(t.TempDir(), "line")
	if _, err := s.OpenPTY(link); err != nil {
		t.Fatal(err)
	}
	run(t, s)
	return s, openLine(t, link)
}

// Frames of a real device, with check codes that were computed elsewhere.
func TestGoldenFramesOnAPTY(t *testing.T) {
	s, line := ptyLine(t, simulator.Options{Profile: xymd02(t), Unit: 1})
	pin(t, s, 30.5)
	talk(t, line, "010400010001600A", "01040201317974")
	talk(t, line, "010400010002200B", "010404013102222ACE")
	pin(t, s, -20.5)
	talk(t, line, "010400010001600A", "010402FF33B8D5")
	pin(t, s, -20)
	talk(t, line, "010400010001600A", "010402FF38F912")
	talk(t, line, "01060103000AF831", "01060103000AF831")
	pin(t, s, 29.5)
	talk(t, line, "010400010001600A", "01040201317974")
	talk(t, line, "010601010008D830", "010601010008D830")
	talk(t, line, "010400010001600A", "01040201317974")
	s.PowerCycle()
	talk(t, line, "010400010001600A"+rtu(8, modbus.ReadRequest(4, 1, 1)), rtu(8, modbus.PDU{FunctionCode: 4, Data: []byte{2, 1, 0x31}}))
}

func rtu(unit byte, pdu modbus.PDU) string {
	return strings.ToUpper(hex.EncodeToString(modbus.AppendRTU(nil, modbus.ADU{Unit: unit, PDU: pdu})))
}

// The line is there for one client after the other.
func TestPTYClientsComeAndGo(t *testing.T) {
	s := newSimulator(t, simulator.Options{Profile: xymd02(t), Unit: 1})
	path, err := s.OpenPTY("")
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	pin(t, s, 30.5)
	for range 3 {
		line := openLine(t, path)
		talk(t, line, "010400010001600A", "01040201317974")
		if err := line.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPTYSeveralUnits(t *testing.T) {
	p := xymd02(t)
	s, line := ptyLine(t, simulator.Options{Profile: p, Unit: 1, Devices: []simulator.DeviceOptions{{Profile: p, Unit: 2}}})
	broadcast := rtu(0, modbus.WriteRegisterRequest(0x103, 0x0A))
	foreign := rtu(3, modbus.ReadRequest(3, 0x103, 1))
	read := func(unit byte) string { return rtu(unit, modbus.ReadRequest(3, 0x103, 1)) }
	reply := func(unit byte) string { return rtu(unit, modbus.PDU{FunctionCode: 3, Data: []byte{2, 0, 0x0A}}) }
	talk(t, line, broadcast+foreign+read(1)+read(2)+foreign, reply(1)+reply(2))
	if s.Device(3) != nil {
		t.Error("there is a unit 3")
	}
}

func TestASCIIOnAPTY(t *testing.T) {
	s, line := ptyLine(t, simulator.Options{Profile: xymd02(t), Unit: 1, Framing: modbus.ASCII})
	pin(t, s, 30.5)
	talk(t, line, hex.EncodeToString([]byte(":0104\r:010400010002F8\r\n")), hex.EncodeToString([]byte(":01040401310222A1\r\n")))
}

func TestOneStateBehindAllFaces(t *testing.T) {
	s := newSimulator(t, simulator.Options{Profile: xymd02(t), Unit: 1})
	path, err := s.OpenPTY("")
	if err != nil {
		t.Fatal(err)
	}
	conn, line := dial(t, tcp(t, s)), openLine(t, path)
	run(t, s)
	talk(t, line, "01060103000AF831", "01060103000AF831")
	talk(t, conn, "0001 0000 0006 01 03 0103 0001", "0001 0000 0005 01 03 02 000A")
	talk(t, conn, "0002 0000 0006 FF 06 0103 0005", "0002 0000 0006 FF 06 0103 0005")
	talk(t, line, rtu(1, modbus.ReadRequest(3, 0x103, 1)), rtu(1, modbus.PDU{FunctionCode: 3, Data: []byte{2, 0, 5}}))
}

// libmodbus, by its command line client, reads and writes the device on a terminal and over TCP.
func TestLibmodbusClient(t *testing.T) {
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
	pin(t, s, -20.5)
	rtu := []string{"-m", "rtu", "-b", "9600", "-P", "none", "-a", "1", "-q", "-1", path}
	tcp := []string{"-m", "tcp", "-p", port, "-a", "1", "-q", "-1", "127.0.0.1"}
	for _, step := range []struct {
		line, args []string
		want       string
	}{
		{rtu, []string{"-t", "3", "-r", "2", "-c", "2"}, "[2]: \t65331 (-205)\n[3]: \t546\n"},
		{rtu, []string{"-t", "4", "-r", "260", "--", "10"}, "Written 1 references."},
		{tcp, []string{"-t", "3", "-r", "2", "-c", "2"}, "[2]: \t65341 (-195)\n[3]: \t546\n"},
		{tcp, []string{"-t", "4", "-r", "260", "--", "101"}, "Illegal data value"},
		{rtu, []string{"-t", "4", "-r", "258", "-c", "5"}, "Illegal data address"},
		{rtu, []string{"-t", "0", "-r", "1"}, "Illegal function"},
	} {
		args, values := step.args, []string(nil)
		if i := slices.Index(args, "--"); i >= 0 {
			args, values = args[:i], args[i+1:]
		}
		out, _ := exec.Command(mbpoll, slices.Concat(args, step.line, values)...).CombinedOutput() // it also fails with what is wanted
		if !strings.Contains(string(out), step.want) {
			t.Errorf("%v: %s\nwant %q", args, out, step.want)
		}
	}
}

func TestPTYLink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "line")
	if err := os.Symlink("/dev/pts/999999", link); err != nil { // of a run that was killed
		t.Fatal(err)
	}
	s := newSimulator(t, simulator.Options{Profile: xymd02(t)})
	path, err := s.OpenPTY(link)
	if err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(link); err != nil || target != path {
		t.Errorf("the link leads to %q, %v; want %q", target, err, path)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(link); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the link after the end: %v", err)
	}
	if err := os.WriteFile(link, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = newSimulator(t, simulator.Options{Profile: xymd02(t)})
	if _, err := s.OpenPTY(link); err == nil || !strings.Contains(err.Error(), "something else is there") {
		t.Errorf("in the place of a file: %v", err)
	}
	if _, err := s.OpenPTY(filepath.Join(dir, "no", "line")); err == nil {
		t.Error("a link in a folder that is not there")
	}
	if text, _ := os.ReadFile(link); string(text) != "mine" {
		t.Errorf("the file holds %q", text)
	}
}

// A link stays with the simulator that runs, and is taken over once that is gone, even
// if another program has the terminal of that name meanwhile.
func TestPTYLinkOfAnother(t *testing.T) {
	link := filepath.Join(t.TempDir(), "line")
	first := newSimulator(t, simulator.Options{Profile: xymd02(t), Unit: 1})
	path, err := first.OpenPTY(link)
	if err != nil {
		t.Fatal(err)
	}
	second := newSimulator(t, simulator.Options{Profile: xymd02(t)})
	if _, err := second.OpenPTY(link); err == nil || !strings.Contains(err.Error(), "another simulator or tunnel has its own there") {
		t.Errorf("the link of a simulator that runs: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if target, err := os.Readlink(link); err != nil || target != path {
		t.Errorf("the link leads to %q, %v; want %q", target, err, path)
	}
	line := openLine(t, link)
	if err := unix.Flock(int(line.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Errorf("a client cannot have the terminal for itself: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	master, other, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer other.Close()
	if err := os.Symlink(other.Name(), link); err != nil {
		t.Fatal(err)
	}
	third := newSimulator(t, simulator.Options{Profile: xymd02(t)})
	if path, err = third.OpenPTY(link); err != nil {
		t.Fatalf("a link that was left behind: %v", err)
	}
	if target, err := os.Readlink(link); err != nil || target != path {
		t.Errorf("the link leads to %q, %v; want %q", target, err, path)
	}
	if err := third.Close(); err != nil {
		t.Error(err)
	}
}

// serialPort returns a port and what is at the other end of its line.
func serialPort(t testing.TB) (port, client *os.File) {
	t.Helper()
	master, port, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { port.Close() })
	fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	master.Close()
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	return port, pollable(t, os.NewFile(uintptr(fd), "client"))
}

// A serial port as a face: the other end of a pseudo terminal is the client. The
// port follows the device's speed after a power cycle.
func TestSerialPort(t *testing.T) {
	port, client := serialPort(t)
	s := newSimulator(t, simulator.Options{Profile: xymd02(t), Unit: 1})
	if err := s.OpenSerial(transport.SerialOptions{Path: port.Name()}); err != nil {
		t.Fatal(err)
	}
	run(t, s)
	pin(t, s, 30.5)
	talk(t, client, "010400010001600A", "01040201317974")
	talk(t, client, rtu(1, modbus.WriteRegisterRequest(0x102, 2)), rtu(1, modbus.WriteRegisterRequest(0x102, 2)))
	s.PowerCycle()
	for deadline := time.Now().Add(patience); speed(t, port) != 19200; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the port is still at %d baud", speed(t, port))
		}
	}
	answered := func() bool { // the port is opened again meanwhile, and may lose a request
		if _, err := client.Write(fromHex(t, "010400010001600A")); err != nil {
			t.Fatal(err)
		}
		if err := client.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, err := io.ReadFull(client, make([]byte, 7))
		return err == nil
	}
	for deadline := time.Now().Add(patience); !answered(); {
		if time.Now().After(deadline) {
			t.Fatal("no answer at the new speed")
		}
	}
	if err := newSimulator(t, simulator.Options{Profile: xymd02(t)}).OpenSerial(transport.SerialOptions{Path: "/dev/none"}); err == nil {
		t.Error("a port that is not there was opened")
	}
}
