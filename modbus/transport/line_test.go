package transport

import (
	"context"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"modferry/modbus"
)

// timeout is what the tests of in-memory lines give a reply. Their clock is
// synctest's, so it costs nothing.
const timeout = 300 * time.Millisecond

// memoryPort is one end of a line in memory, as fast as its timing says it is.
type memoryPort struct {
	net.Conn
	timing Timing
}

func (p *memoryPort) Flush() error   { return nil }
func (p *memoryPort) Timing() Timing { return p.timing }

// fakeDevice is the far end of a line in memory.
type fakeDevice struct {
	t    testing.TB
	done sync.WaitGroup

	mu   sync.Mutex
	do   script
	conn net.Conn // nil while the line is not open
	got  [][]byte // the requests, as they came
}

// script is what a device does with one request.
type script func(d *fakeDevice, request []byte)

// newLine returns a stream whose line ends at a device in memory that does what
// script says. Both are closed at the end of the test's bubble by the returned func.
func newLine(t testing.TB, o StreamOptions, timing Timing, do script) (*Stream, *fakeDevice) {
	d := &fakeDevice{t: t, do: do}
	o.Open = func(context.Context) (Port, error) {
		near, far := net.Pipe()
		d.mu.Lock()
		d.conn = far
		d.mu.Unlock()
		d.done.Go(func() { d.serve(far) })
		return &memoryPort{near, timing}, nil
	}
	if o.Timeout == 0 {
		o.Timeout = timeout
	}
	return NewStream(o), d
}

// close ends the line and waits for all that the device still had to do.
func (d *fakeDevice) close(s *Stream) {
	if err := s.Close(); err != nil {
		d.t.Error(err)
	}
	d.done.Wait()
}

// serve takes what one write of the stream brings as one request.
func (d *fakeDevice) serve(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		request := append([]byte(nil), buf[:n]...)
		d.mu.Lock()
		d.got = append(d.got, request)
		do := d.do
		d.mu.Unlock()
		if do != nil {
			do(d, request)
		}
	}
}

// fromNow makes the device do something else with the next requests.
func (d *fakeDevice) fromNow(do script) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.do = do
}

func (d *fakeDevice) requests() [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.got
}

// say puts bytes on the line now; nobody may be listening any more.
func (d *fakeDevice) say(b []byte) {
	d.mu.Lock()
	conn := d.conn
	d.mu.Unlock()
	_, _ = conn.Write(b)
}

// sayLater puts bytes on the line after a while.
func (d *fakeDevice) sayLater(after time.Duration, b []byte) {
	d.done.Go(func() {
		time.Sleep(after)
		d.say(b)
	})
}

// answer is the right reply to an RTU request for registers.
func answer(request []byte) []byte {
	q, err := modbus.ParseRTU(request)
	if err != nil {
		panic(err)
	}
	q.PDU = *addressAsValue(q)
	return modbus.AppendRTU(nil, q)
}

// slow is the timing of a line at 9600 baud, 8N1.
func slow() Timing { return timing(9600, 10) }

// ask sends one request for one register with the caller's own deadline and checks the reply.
func ask(s Transporter, unit byte, address uint16) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	reply, err := s.SendContext(ctx, readOne(s.Framing(), unit, address))
	if err != nil {
		return err
	}
	return checkOne(s.Framing(), reply, unit, address)
}

// slowReader opens a line that takes a byte every 20 ms, and no more than most.
func slowReader(d *fakeDevice, got *[]byte, most int) func(context.Context) (Port, error) {
	return func(context.Context) (Port, error) {
		near, far := net.Pipe()
		d.done.Go(func() {
			b := make([]byte, 1)
			for range most {
				if _, err := far.Read(b); err != nil {
					return
				}
				*got = append(*got, b[0])
				time.Sleep(20 * time.Millisecond)
			}
		})
		return &memoryPort{near, slow()}, nil
	}
}

// failingPort is a port whose Write takes some bytes of a frame and then fails.
type failingPort struct {
	memoryPort
	takes int
}

func (p *failingPort) Write([]byte) (int, error) { return p.takes, syscall.EIO }
