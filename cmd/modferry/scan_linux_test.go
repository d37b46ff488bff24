package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/modbus/server"
	"modferry/modbus/terminal"
)

// fussy is a line with a device that hears only what comes at 4800 baud with odd
// parity, and is answered by noise otherwise.
type fussy struct{ *terminal.Terminal }

func (f fussy) Read(b []byte) (int, error) {
	for {
		n, err := f.Terminal.Read(b)
		if n == 0 || err != nil || f.set() {
			return n, err
		}
		if _, err := f.Write([]byte{0xF8, 0x00, 0x9F}); err != nil {
			return 0, err
		}
	}
}

// set reports whether the other end is set as the device is.
func (f fussy) set() bool {
	mode, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil && mode.Cflag&unix.CBAUD == unix.B4800 && mode.Cflag&unix.PARODD != 0 // a pseudo terminal keeps no more of the parity
}

// The settings of a line are found where they are not known.
func TestScanSearchesBaudAndParity(t *testing.T) {
	line, err := terminal.Open("")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	tables := func(unit byte, q modbus.PDU) (modbus.PDU, bool) {
		if q.FunctionCode != modbus.ReadHoldingRegisters {
			return modbus.ExceptionPDU(q.FunctionCode, modbus.IllegalFunction), unit == 2
		}
		return modbus.ExceptionPDU(q.FunctionCode, modbus.IllegalDataAddress), unit == 2
	}
	served := make(chan error, 1)
	go func() {
		served <- server.New(server.Options{Handler: server.HandlerFunc(tables), Silence: 5 * time.Millisecond}).ServeRTU(ctx, fussy{line})
	}()
	defer func() { stop(); _ = line.Close(); <-served }()

	d := scannedHall(t, "--serial", line.Path(), "--units", "1-3", "--timeout", "60ms", "--search-baud=9600,4800", "--search-parity", "--ranges", "none")
	if d.Baud != 4800 || d.Parity != "odd" || len(d.Units) != 1 || d.Units[0].Unit != 2 || !strings.Contains(d.YAML, "# Unit 2 answers, but nothing") {
		t.Errorf("%+v", d)
	}
	code, out, errs := modferry(t, "scan", "--serial", line.Path(), "--units", "1-2", "--timeout", "60ms", "--quiet")
	if code != exitFailed || out != "" || !strings.Contains(errs, "no frame: check baud rate and parity") {
		t.Errorf("at the wrong baud rate: exit code %d\n%s%s", code, out, errs)
	}
}

// On a terminal there is a bar, and nothing is left of it.
func TestScanDrawsABar(t *testing.T) {
	at := hall(t, "")
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	seen := make(chan string, 1)
	go func() {
		var b strings.Builder
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			b.Write(buf[:n])
			if err != nil {
				seen <- b.String()
				return
			}
		}
	}()
	code := runOn(t, slave, gatewaytest.Binary(t), "scan", "--tcp", at.TCP, "--units", "1-30", "--timeout", "100ms")
	_ = slave.Close()
	text := <-seen
	for _, want := range []string{"\r\x1b[K[......", "of 30 units asked", "s left", "unit 9 answers: exception 02", "[####################]", "of 4 units read"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in %q", want, text)
		}
	}
	if code != exitGood || !strings.HasSuffix(text, "\r\x1b[K") {
		t.Errorf("exit code %d, %q", code, text[max(0, len(text)-60):])
	}
}

// runOn runs a program with its standard error on a terminal.
func runOn(t *testing.T, terminal *os.File, program string, args ...string) int {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p, err := os.StartProcess(program, append([]string{program}, args...), &os.ProcAttr{Files: []*os.File{null, null, terminal}, Env: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	state, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return state.ExitCode()
}
