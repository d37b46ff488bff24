package transport

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"modferry/modbus"
)

var (
	transactions = flag.Int("transactions", 100_000, "transactions with misbehaving devices, over all framings together")
	seed         = flag.Uint64("seed", 0, "what devices do is drawn from it; 0 = another at each run")
)

// mishap is what a device does instead of answering.
type mishap uint8

const (
	none mishap = iota
	noisy
	dripping
	duplicated
	wrongUnitFirst
	wrongFunctionFirst
	wrongQuantityFirst
	slowly
	answered // those before still bring the right answer in time

	late
	silent
	truncated
	corrupted
	wrongUnit
	mishaps
)

// rightAnswer is the reply to a request, and can be told from that to any other: a
// register holds a hash of its unit, table and address.
func rightAnswer(q modbus.ADU) modbus.PDU {
	d := modbus.Registers(q.PDU.Data)
	hash := func(address uint16) uint16 {
		return (address+uint16(q.Unit)<<8+uint16(q.PDU.FunctionCode))*40503 ^ 0x5A5A
	}
	switch {
	case q.PDU.FunctionCode == modbus.WriteSingleRegister:
		return q.PDU
	case d[0]%16 == 0:
		return modbus.ExceptionPDU(q.PDU.FunctionCode, byte(1+hash(d[0])%8))
	}
	reply := []byte{byte(2 * d[1])}
	for i := range d[1] {
		reply = modbus.AppendRegisters(reply, hash(d[0]+i))
	}
	return modbus.PDU{FunctionCode: q.PDU.FunctionCode, Data: reply}
}

// anyRequest draws a request of registers.
func anyRequest(random *rand.Rand) modbus.ADU {
	q := modbus.ADU{Unit: byte(1 + random.IntN(4))}
	address := uint16(random.IntN(65000))
	switch random.IntN(4) {
	case 0:
		q.PDU = modbus.WriteRegisterRequest(address, uint16(random.Uint32()))
	case 1:
		q.PDU = modbus.ReadRequest(modbus.ReadInputRegisters, address, uint16(1+random.IntN(3)))
	default:
		q.PDU = modbus.ReadRequest(modbus.ReadHoldingRegisters, address, uint16(1+random.IntN(3)))
	}
	return q
}

// tally is what became of the transactions of one run.
type tally struct {
	t                   *testing.T
	mu                  sync.Mutex
	sent, good, refused int // refused: over TCP, where the shape is the caller's to look at
	lost                int // no answer although the device gave the right one in time
}

// transact sends a request and holds its reply to the right one. Afterwards did, if
// there is one, tells what the device did.
func (a *tally) transact(line Transporter, q modbus.ADU, did *atomic.Uint32) {
	framing := line.Framing()
	adu := framing.Append(nil, q)
	reply, err := line.Send(adu)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent++
	var failed *Error
	switch {
	case errors.As(err, &failed) && (failed.Kind == Timeout || failed.Kind == Unavailable):
		if did != nil && mishap(did.Load()) < answered {
			a.lost++
		}
	case err != nil:
		a.t.Errorf("transaction %d: %v", a.sent, err)
	default:
		got, err := framing.Parse(reply)
		want := rightAnswer(q)
		switch {
		case err == nil && got.Unit == q.Unit && got.Transaction == q.Transaction &&
			got.PDU.FunctionCode == want.FunctionCode && bytes.Equal(got.PDU.Data, want.Data):
			a.good++
		case framing == modbus.TCP && got.Unit == q.Unit && modbus.CheckReply(q.PDU, got.PDU) != nil:
			a.refused++
		default:
			a.t.Errorf("transaction %d: request % X, wrong reply % X, want % X", a.sent, adu, reply, want)
		}
	}
}

// misbehave is the script of a device on a line with one request at a time. It stays
// within what can be told from a good reply at all: the second of two equal replies
// comes within the frame gap, a late one within a timeout after it was given up,
// corrupted ones have what their check code finds for certain, and a truncated one
// is not made whole by noise. What lies beyond is what RTU and ASCII cannot promise.
func misbehave(random *rand.Rand, framing modbus.Framing, doing *atomic.Uint32) script {
	return func(d *fakeDevice, request []byte) {
		q, err := framing.Parse(request)
		if err != nil {
			d.t.Errorf("the device got % X: %v", request, err)
			return
		}
		right := q
		right.PDU = rightAnswer(q)
		reply := framing.Append(nil, right)
		m := none
		if random.IntN(2) == 0 {
			m = mishap(random.IntN(int(mishaps)))
		}
		doing.Store(uint32(m))
		switch m {
		case noisy:
			d.say(append(noise(random, framing), reply...))
			d.say(noise(random, framing))
		case dripping:
			for i := range reply {
				d.sayLater(time.Duration(1+i)*5*time.Millisecond, reply[i:i+1])
			}
		case duplicated:
			d.say(append(bytes.Clone(reply), reply...))
		case wrongUnitFirst, wrongUnit:
			wrong := right
			wrong.Unit++
			d.say(framing.Append(nil, wrong))
			if m == wrongUnitFirst {
				d.sayLater(20*time.Millisecond, reply)
			}
		case wrongFunctionFirst:
			wrong := right
			wrong.PDU.FunctionCode ^= 7 // 3 and 4 are each other's
			d.say(framing.Append(nil, wrong))
			d.sayLater(20*time.Millisecond, reply)
		case wrongQuantityFirst:
			wrong := right
			wrong.PDU = modbus.PDU{FunctionCode: 3, Data: modbus.AppendRegisters([]byte{20}, make([]uint16, 10)...)}
			d.say(framing.Append(nil, wrong))
			d.sayLater(20*time.Millisecond, reply)
		case slowly:
			d.sayLater(timeout*time.Duration(random.IntN(90))/100, reply)
		case late:
			d.sayLater(timeout*time.Duration(101+random.IntN(90))/100, reply)
		case truncated:
			d.say(reply[:random.IntN(len(reply))])
		case corrupted:
			i := random.IntN(len(reply) - 2) // not the end of an ASCII frame, without which it goes on
			reply[i] ^= 1 << random.IntN(7)
			d.say(reply)
		case silent:
		default:
			d.say(reply)
		}
	}
}

// noise is what a line without termination brings. In ASCII it has no ':', which
// would begin a frame.
func noise(random *rand.Rand, framing modbus.Framing) []byte {
	b := make([]byte, random.IntN(9))
	for i := range b {
		if b[i] = byte(random.Uint32()); framing == modbus.ASCII {
			b[i] |= 0x80
		}
	}
	return b
}

// runs returns how many transactions a share of all has, and their source of chance.
func runs(t *testing.T, percent int) (int, *rand.Rand) {
	n, s := *transactions*percent/100, *seed
	if s == 0 {
		s = rand.Uint64()
	}
	if testing.Short() {
		n /= 10
	}
	t.Logf("%d transactions, -seed %d", n, s)
	return n, rand.New(rand.NewPCG(s, uint64(percent)))
}

func (a *tally) judge() {
	a.t.Logf("%d sent, %d good, %d of a wrong shape, %d lost", a.sent, a.good, a.refused, a.lost)
	if a.good*2 < a.sent {
		a.t.Errorf("only %d of %d were answered", a.good, a.sent)
	}
	if a.lost*1000 > a.sent {
		a.t.Errorf("%d of %d right answers were lost, want no more than 0.1 %%", a.lost, a.sent)
	}
}

// Rows 1, 4, 5 and 7, all at once and at random.
func TestRow01MisbehavingDevice(t *testing.T) {
	for framing, percent := range map[modbus.Framing]int{modbus.RTU: 40, modbus.ASCII: 20} {
		t.Run(framing.String(), func(t *testing.T) {
			n, random := runs(t, percent)
			synctest.Test(t, func(t *testing.T) {
				var doing atomic.Uint32
				s, d := newLine(t, StreamOptions{Framing: framing}, slow(), misbehave(rand.New(rand.NewPCG(random.Uint64(), 1)), framing, &doing))
				defer d.close(s)
				all := &tally{t: t}
				for range n {
					all.transact(s, anyRequest(random), &doing)
				}
				all.judge()
			})
		})
	}
}

// misbehavingServer answers requests over TCP as they come, in any order.
type misbehavingServer struct {
	mu     sync.Mutex
	random *rand.Rand
	serve  sync.WaitGroup
}

func (s *misbehavingServer) draw() (m mishap, wait time.Duration, at int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.random.IntN(2) == 0 {
		m = mishap(s.random.IntN(int(mishaps)))
	}
	return m, time.Duration(s.random.IntN(int(timeout / 3))), s.random.IntN(8)
}

func (s *misbehavingServer) open(context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	s.serve.Go(func() {
		writing := make(chan struct{}, 1) // a frame is one piece; a mutex would stop the bubble's clock
		buf := make([]byte, modbus.MaxTCP)
		for {
			q, err := readTCP(far, buf)
			if err != nil {
				_ = far.Close()
				return
			}
			q.PDU.Data = bytes.Clone(q.PDU.Data)
			s.serve.Go(func() { s.answer(far, writing, q) })
		}
	})
	return near, nil
}

// answer does to one request what is drawn. Over TCP a connection ends with what is
// truncated or corrupted: frames that go on in the midst of another are not to be
// told from good ones, as nothing checks them.
func (s *misbehavingServer) answer(conn net.Conn, writing chan struct{}, q modbus.ADU) {
	m, wait, at := s.draw()
	right := q
	right.PDU = rightAnswer(q)
	say := func(a modbus.ADU) {
		writing <- struct{}{}
		defer func() { <-writing }()
		_, _ = conn.Write(modbus.AppendTCP(nil, a))
	}
	wrong := right
	time.Sleep(wait) // shuffles
	switch m {
	case noisy: // replies that nobody asked for
		wrong.Transaction += 0x8000
		say(wrong)
		say(right)
	case dripping:
		writing <- struct{}{}
		defer func() { <-writing }()
		for _, c := range modbus.AppendTCP(nil, right) {
			time.Sleep(time.Millisecond / 10)
			_, _ = conn.Write([]byte{c})
		}
	case duplicated:
		say(right)
		say(right)
	case wrongUnitFirst, wrongUnit:
		wrong.Unit++
		say(wrong)
		if m == wrongUnitFirst {
			say(right)
		}
	case wrongFunctionFirst:
		wrong.PDU.FunctionCode ^= 7
		say(wrong)
		say(right)
	case wrongQuantityFirst: // is taken, and refused by whoever asked
		wrong.PDU.Data = append([]byte{250}, wrong.PDU.Data...)
		say(wrong)
		say(right)
	case late:
		time.Sleep(timeout + wait)
		say(right)
	case truncated, corrupted:
		if at > 0 { // now and then, as it takes others with it
			return
		}
		writing <- struct{}{}
		defer func() { <-writing }()
		frame := modbus.AppendTCP(nil, right)
		if frame[2] ^= 1; m == truncated {
			frame[2] ^= 1
			frame = frame[:len(frame)-2]
		}
		_, _ = conn.Write(frame)
		_ = conn.Close()
	case silent:
	default:
		say(right)
	}
}

// Rows 2, 5 and 7, all at once and at random, with 16 requests in flight.
func TestRow02MisbehavingServer(t *testing.T) {
	n, random := runs(t, 40)
	synctest.Test(t, func(t *testing.T) {
		const callers = 16
		server := &misbehavingServer{random: rand.New(rand.NewPCG(random.Uint64(), 1))}
		line := NewTCP(TCPOptions{Timeout: timeout, InFlight: callers})
		line.open = server.open
		all := &tally{t: t}
		var group sync.WaitGroup
		for range callers {
			random := rand.New(rand.NewPCG(random.Uint64(), 2))
			group.Go(func() {
				for range n / callers {
					q := anyRequest(random)
					q.Transaction = uint16(random.Uint32())
					all.transact(line, q, nil) // a connection that ends takes right answers with it
				}
			})
		}
		group.Wait()
		if err := line.Close(); err != nil {
			t.Error(err)
		}
		server.serve.Wait()
		all.judge()
	})
}
