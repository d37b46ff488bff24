//go:build linux

package transport

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"modferry/modbus"
)

// pacedLine is a pseudo terminal that keeps to a baud rate, which the terminal itself
// does not: a request is at the device when its last bit would be, counted from the
// moment at which it was given to the port, and each byte of the reply comes when its
// own last bit would have. The device answers at once, as no device can.
//
// Only real hardware shows more: what an adapter and its driver add between the wire
// and the terminal, and whether a device likes its gaps so short.
type pacedLine struct {
	master *os.File
	timing Timing
	served sync.WaitGroup

	mu      sync.Mutex
	began   time.Time // the last request
	free    time.Time // when the gap after the last reply was over
	tooSoon int       // requests that began before
}

// pacedPort notes when a request is given to it.
type pacedPort struct {
	*serialPort
	line *pacedLine
}

func (p pacedPort) Write(b []byte) (int, error) {
	p.line.mu.Lock()
	p.line.began = time.Now()
	if p.line.began.Before(p.line.free) {
		p.line.tooSoon++
	}
	p.line.mu.Unlock()
	return p.serialPort.Write(b)
}

// newPacedLine returns a stream over a paced line; both end with the benchmark.
func newPacedLine(b *testing.B, baud int) (*Stream, *pacedLine) {
	master, slave := openPty(b)
	l := &pacedLine{master: master, timing: timing(baud, 10)}
	open := DialSerial(SerialOptions{Path: slave.Name(), Baud: baud})
	s := NewStream(StreamOptions{Open: func(ctx context.Context) (Port, error) {
		port, err := open(ctx)
		if err != nil {
			return nil, err
		}
		return pacedPort{port.(*serialPort), l}, nil
	}})
	l.served.Go(l.serve)
	b.Cleanup(func() { _ = s.Close(); _ = master.Close(); l.served.Wait(); _ = slave.Close() })
	if err := s.Connect(b.Context()); err != nil {
		b.Fatal(err)
	}
	return s, l
}

func (l *pacedLine) serve() {
	clock := &serialPort{}
	request := make([]byte, 8)
	for {
		if _, err := io.ReadFull(l.master, request); err != nil {
			return
		}
		l.mu.Lock()
		at := l.began.Add(time.Duration(len(request)) * l.timing.Char)
		l.mu.Unlock()
		reply := answer(request)
		for i := range reply {
			at = at.Add(l.timing.Char)
			if i == len(reply)-1 {
				l.mu.Lock()
				l.free = at.Add(l.timing.Silence)
				l.mu.Unlock()
			}
			clock.sleepExactly(time.Until(at))
			if _, err := l.master.Write(reply[i : i+1]); err != nil {
				return
			}
		}
	}
}

// BenchmarkPacedLine reads one register at a time over a line as slow as a real one.
// %line is the share of the transactions that the time of the bytes on the wire and
// t3.5 allow: what is missing is our own time.
func BenchmarkPacedLine(b *testing.B) {
	for _, baud := range []int{9600, 19200, 115200} {
		b.Run(fmt.Sprint(baud), func(b *testing.B) {
			s, line := newPacedLine(b, baud)
			request := readOne(modbus.RTU, 1, 7)
			for b.Loop() {
				if _, err := s.Send(request); err != nil {
					b.Fatal(err)
				}
			}
			took := b.Elapsed() / time.Duration(b.N)
			least := time.Duration(len(request)+len(answer(request)))*line.timing.Char + line.timing.Silence
			b.ReportMetric(100*float64(least)/float64(took), "%line")
			b.ReportMetric(float64(time.Second)/float64(took), "transactions/s")
			line.mu.Lock()
			defer line.mu.Unlock()
			if line.tooSoon > 0 {
				b.Errorf("%d of %d requests began within t3.5 of the reply before", line.tooSoon, b.N)
			}
		})
	}
}
