//go:build linux

package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"modferry/modbus"
)

// serialLine is a pseudo terminal with a device at its far end, and a path that
// points to it as /dev/serial/by-id does.
type serialLine struct {
	master *os.File
	port   string // the real path
	served chan struct{}
}

// openPty returns a new pseudo terminal whose master ends its reads when it is closed,
// which one in blocking mode does not.
func openPty(t testing.TB) (master, slave *os.File) {
	t.Helper()
	blocking, slave, err := pty.Open()
	if err != nil {
		t.Skip("no pseudo terminals here:", err)
	}
	defer blocking.Close()
	fd, err := unix.Dup(int(blocking.Fd()))
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "pty"), slave
}

// plugIn makes path a serial port behind which a device answers.
func plugIn(t testing.TB, path string) *serialLine {
	t.Helper()
	master, slave := openPty(t)
	l := &serialLine{master: master, port: slave.Name(), served: make(chan struct{})}
	if err := os.Symlink(l.port, path); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(l.served)
		defer slave.Close() // open until now, as a master without any slave reads errors
		answerPty(master)
	}()
	return l
}

// unplug is what pulling out the adapter is: the port hangs up and its path goes.
func (l *serialLine) unplug(path string) {
	_ = os.Remove(path)
	_ = l.master.Close()
	<-l.served
}

func portPath(t testing.TB) string { return filepath.Join(t.TempDir(), "usb-adapter") }

// openDescriptors counts this process' descriptors of a device.
func openDescriptors(port string) (n int) {
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		if target, _ := os.Readlink(link); strings.HasPrefix(target, port) {
			n++
		}
	}
	return n
}

func TestRow09Unplug(t *testing.T) {
	path := portPath(t)
	line := plugIn(t, path)
	s := NewStream(StreamOptions{Open: DialSerial(SerialOptions{Path: path, Baud: 115200}), Timeout: timeout})
	defer s.Close()
	if err := ask(s, 1, 1); err != nil {
		t.Fatal(err)
	}
	port := line.port
	line.unplug(path)
	eventually(t, time.Second, "the descriptor of the port that is gone is closed", func() bool { return openDescriptors(port) == 0 })

	err := ask(s, 1, 2)
	wantKind(t, err, Unavailable, false)
	if !strings.Contains(err.Error(), "there is no serial port "+path) {
		t.Errorf("the error does not name the port: %v", err)
	}

	again := plugIn(t, path)
	defer again.unplug(path)
	eventually(t, 2*time.Second, "the bus is back", func() bool { return ask(s, 1, 3) == nil })
}

// The reply is waited for when the adapter is pulled out.
func TestRow09UnplugDuringRequest(t *testing.T) {
	path := portPath(t)
	master, slave := openPty(t)
	defer slave.Close()
	if err := os.Symlink(slave.Name(), path); err != nil {
		t.Fatal(err)
	}
	s := NewStream(StreamOptions{Open: DialSerial(SerialOptions{Path: path}), Timeout: 10 * time.Second})
	defer s.Close()
	failed := make(chan error, 1)
	go func() {
		_, err := s.Send(readOne(modbus.RTU, 1, 1))
		failed <- err
	}()
	if _, err := master.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	_ = master.Close()
	select {
	case err := <-failed:
		wantKind(t, err, Unavailable, true)
	case <-time.After(time.Second):
		t.Fatal("the request did not notice within a second")
	}
}

func TestRow10TwoPrograms(t *testing.T) {
	path := portPath(t)
	line := plugIn(t, path)
	defer line.unplug(path)
	first := NewStream(StreamOptions{Open: DialSerial(SerialOptions{Path: path}), Timeout: 10 * time.Second}) // this machine may be busy
	defer first.Close()
	if err := first.Connect(context.Background()); err != nil {
		t.Fatal(err)
	}

	second := NewStream(StreamOptions{Open: DialSerial(SerialOptions{Path: path})})
	defer second.Close()
	err := second.Connect(context.Background())
	wantKind(t, err, Unavailable, false)
	if !strings.Contains(err.Error(), "in use by this process itself") {
		t.Errorf("unclear: %v", err)
	}

	out, err := openInAnotherProgram(t, path)
	if err == nil {
		t.Error("another program could open the port too")
	}
	if want := fmt.Sprintf("(process %d)", os.Getpid()); !strings.Contains(out, "in use by") || !strings.Contains(out, want) {
		t.Errorf("the other program says %q, want it to name %s", out, want)
	}
	reply, err := first.Send(readOne(modbus.RTU, 1, 1))
	if err == nil {
		err = checkOne(modbus.RTU, reply, 1, 1)
	}
	if err != nil {
		t.Error("the first owner was disturbed:", err)
	}

	_ = first.Close()
	if out, err := openInAnotherProgram(t, path); err != nil {
		t.Errorf("after the first owner closed the port: %v %s", err, out)
	}
}

func openInAnotherProgram(t *testing.T, path string) (string, error) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), secondProgram+"="+path)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// A late reply on a real terminal, where bytes wait in the kernel: one that comes
// within a timeout after its request was given up is never the next one's.
func TestRow01LateReplyOnPty(t *testing.T) {
	for short := 10 * time.Millisecond; lateReplies(t, short) == 0; short *= 4 { // a busy machine has no sense of short times
		if short > time.Second {
			t.Fatal("no late reply was followed by an answered request")
		}
	}
}

// lateReplies has every other reply come late, after a timeout that is short, and
// returns how often it was seen that the next request was not answered by it.
func lateReplies(t *testing.T, short time.Duration) (proven int) {
	t.Helper()
	master, slave := openPty(t)
	defer slave.Close()
	said := make(chan time.Time, 1) // when the late reply left
	served := make(chan struct{})
	go func() {
		defer close(served)
		request := make([]byte, 8)
		for {
			if _, err := io.ReadFull(master, request); err != nil {
				return
			}
			if address := int(request[3]); address%2 == 0 {
				time.Sleep(short * time.Duration(11+address%9) / 10)
				_, _ = master.Write(answer(request))
				said <- time.Now()
			} else {
				_, _ = master.Write(answer(request))
			}
		}
	}()
	s := NewStream(StreamOptions{Open: DialSerial(SerialOptions{Path: slave.Name(), Baud: 115200}), Timeout: short})
	defer func() { _ = s.Close(); _ = master.Close(); <-served }()
	const enough = 20 * time.Second
	for address, began := uint16(0), time.Now(); address < 100 && time.Since(began) < enough; address += 2 {
		asked := time.Now() // it is given up short after that, or later
		_, err := s.Send(readOne(modbus.RTU, 1, address))
		if err == nil { // this machine was too busy to give up in time
			<-said
			continue
		}
		if errors.Is(err, errNeverQuiet) { // likewise, to read what came in time
			continue
		}
		wantKind(t, err, Timeout, true)
		reply, err := s.Send(readOne(modbus.RTU, 1, address+1))
		if (<-said).Sub(asked) > 2*short {
			continue // this machine was too busy for the device to be only so late
		}
		if err == nil {
			err = checkOne(modbus.RTU, reply, 1, address+1)
		}
		if errors.Is(err, errWrongValue) {
			t.Fatalf("request %d: %v", address+1, err)
		} else if err == nil {
			proven++
		}
	}
	return proven
}

func TestGoburrowClient(t *testing.T) {
	path := portPath(t)
	line := plugIn(t, path)
	defer line.unplug(path)
	s := NewStream(StreamOptions{Open: DialSerial(SerialOptions{Path: path, Baud: 19200, Parity: "even"}), Timeout: 2 * time.Second})
	defer s.Close()
	got, err := modbus.NewClient(modbus.RTU.Packager(1), s).ReadInputRegisters(0x0102, 2)
	if err != nil || !bytes.Equal(got, []byte{1, 2, 1, 3}) {
		t.Errorf("RTU client read % X, %v", got, err)
	}
	server := listenTCP(t, "127.0.0.1:0", serveTCP(addressAsValue))
	tcp := NewTCP(TCPOptions{Address: server.address(), Timeout: 2 * time.Second})
	defer tcp.Close()
	got, err = modbus.NewClient(modbus.TCP.Packager(1), tcp).ReadInputRegisters(0x0102, 2)
	if err != nil || !bytes.Equal(got, []byte{1, 2, 1, 3}) {
		t.Errorf("TCP client read % X, %v", got, err)
	}
}

func TestSerialOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]SerialOptions{
		"there is no serial port /dev/nothing":   {Path: "/dev/nothing"},
		file + " is not a serial port":           {Path: file},
		"parity \"odd?\": it must be none, even": {Path: file, Parity: "odd?"},
		"3 stop bits: it must be 1 or 2":         {Path: file, StopBits: 3},
		"9600 baud with 9 data bits is not":      {Path: file, DataBits: 9},
		"-1 baud with 8 data bits is not":        {Path: file, Baud: -1},
	} {
		s := NewStream(StreamOptions{Open: DialSerial(o)})
		err := s.Connect(context.Background())
		_ = s.Close()
		wantKind(t, err, Unavailable, false)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %q does not say %q", o, err, want)
		}
	}
	if os.Getuid() == 0 {
		return // root has every permission
	}
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := DialSerial(SerialOptions{Path: file})(context.Background()); err == nil || !strings.Contains(err.Error(), "add this user to the group") {
		t.Errorf("no permission: %v", err)
	}
}

// A device that takes nothing (flow control, a dead USB adapter) does not hold the caller.
func TestStuckSerialPort(t *testing.T) {
	master, slave := openPty(t)
	defer master.Close()
	defer slave.Close()
	port, err := DialSerial(SerialOptions{Path: slave.Name()})(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := port.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if n, err := port.Write(make([]byte, 1<<20)); err == nil {
		t.Errorf("%d bytes disappeared in a terminal that nobody reads", n)
	}
	if err := port.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("held for %v", took)
	}
}

// BenchmarkRTUPty reads one register at 115200 baud. A pseudo terminal has no
// speed, so what it takes is the frame gap and our own time: with the 1.75 ms of the
// standard no more than 571 transactions/s are possible.
func BenchmarkRTUPty(b *testing.B) {
	for name, gap := range map[string]time.Duration{
		"standard gap":   0,
		"3.5 characters": timing(115200, 10).Char * 7 / 2,
		"1 character":    timing(115200, 10).Char,
	} {
		b.Run(name, func(b *testing.B) {
			path := portPath(b)
			line := plugIn(b, path)
			defer line.unplug(path)
			s := NewStream(StreamOptions{Open: DialSerial(SerialOptions{Path: path, Baud: 115200, FrameGap: gap})})
			defer s.Close()
			if err := s.Connect(b.Context()); err != nil {
				b.Fatal(err)
			}
			request := readOne(modbus.RTU, 1, 0)
			for b.Loop() {
				if _, err := s.Send(request); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "transactions/s")
		})
	}
}

// answerPty answers RTU requests of 8 bytes until the terminal is closed.
func answerPty(master *os.File) {
	request := make([]byte, 8)
	for {
		if _, err := io.ReadFull(master, request); err != nil {
			return
		}
		q, err := modbus.ParseRTU(request)
		if err != nil {
			continue
		}
		q.PDU = *addressAsValue(q)
		if _, err := master.Write(modbus.AppendRTU(nil, q)); err != nil {
			return
		}
	}
}
