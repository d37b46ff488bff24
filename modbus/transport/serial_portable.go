//go:build !linux

package transport

import (
	"bytes"
	"errors"
	"os"
	"time"

	"go.bug.st/serial"
)

// serialPort is a port of the serial library, whose Write has no deadline.
type serialPort struct {
	serial.Port
	claimed *os.File
	timing  Timing
	writeBy time.Time
}

func newSerialPort(claimed *os.File, control serial.Port, timing Timing) Port {
	return &serialPort{Port: control, claimed: claimed, timing: timing}
}

func (p *serialPort) Timing() Timing { return p.timing }

func (p *serialPort) Flush() error { return p.ResetInputBuffer() }

func (p *serialPort) SetWriteDeadline(t time.Time) error {
	p.writeBy = t
	return nil
}

// Write has a goroutine of its own write, as a port that takes no data would block
// for ever. Discarding the output buffer then ends the write.
func (p *serialPort) Write(b []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	own := bytes.Clone(b)
	go func() {
		n, err := p.writeAll(own)
		done <- result{n, err}
	}()
	clock := time.NewTimer(time.Until(p.writeBy))
	defer clock.Stop()
	select {
	case r := <-done:
		return r.n, r.err
	case <-clock.C:
	}
	_ = p.ResetOutputBuffer()
	clock.Reset(writeAllowance)
	select {
	case r := <-done:
		return r.n, os.ErrDeadlineExceeded
	case <-clock.C: // it ends with the port
		return len(b), os.ErrDeadlineExceeded
	}
}

func (p *serialPort) writeAll(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var some int
		some, err = p.Port.Write(b[n:])
		n += some
	}
	return n, err
}

// Read waits without a timeout, after which the library would return nothing and no error.
func (p *serialPort) Read(b []byte) (n int, err error) {
	for n == 0 && err == nil {
		n, err = p.Port.Read(b)
	}
	return n, err
}

func (p *serialPort) Close() error {
	err := p.Port.Close()
	if p.claimed != nil {
		err = errors.Join(err, p.claimed.Close())
	}
	return err
}

func holder(string) string { return "" }

// noKernel is a driver of which nothing more can be asked.
type noKernel struct{}

func newKernel(*os.File, string) kernel { return noKernel{} }

func (noKernel) setRS485(RS485) error { return errors.ErrUnsupported }
func (noKernel) setLowLatency() error { return errors.ErrUnsupported }
