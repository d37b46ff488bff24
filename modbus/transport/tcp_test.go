package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modferry/modbus"
)

// newTCP returns a transporter that is closed at the end of the test.
func newTCP(t testing.TB, o TCPOptions) *TCP {
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	line := NewTCP(o)
	t.Cleanup(func() { _ = line.Close() })
	return line
}

// sendOne asks for one register within the options' timeout and checks the reply.
func sendOne(line Transporter, unit byte, address uint16) error {
	reply, err := line.Send(readOne(line.Framing(), unit, address))
	if err != nil {
		return err
	}
	return checkOne(line.Framing(), reply, unit, address)
}

// shuffler answers batches of requests in random order.
func shuffler(conn net.Conn) {
	random := rand.New(rand.NewPCG(2, 2))
	requests := make(chan modbus.ADU, 64)
	go func() {
		defer close(requests)
		for {
			q, err := readTCP(conn, make([]byte, modbus.MaxTCP))
			if err != nil {
				return
			}
			requests <- q
		}
	}()
	for q := range requests {
		batch := []modbus.ADU{q}
		for more := true; more && len(batch) < 16; {
			select {
			case q, ok := <-requests:
				if more = ok; ok {
					batch = append(batch, q)
				}
			default:
				more = false
			}
		}
		random.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
		var out []byte
		for _, q := range batch {
			q.PDU = *addressAsValue(q)
			out = modbus.AppendTCP(out, q)
			if random.IntN(10) == 0 { // nobody waits for it (any more)
				q.Transaction -= uint16(1 + random.IntN(1000))
				out = modbus.AppendTCP(out, q)
			}
		}
		if _, err := conn.Write(out); err != nil {
			_ = conn.Close() // ends the reading
		}
	}
}

func TestRow02ShuffledReplies(t *testing.T) {
	const callers, each = 16, 100_000 / 16
	server := listenTCP(t, "127.0.0.1:0", shuffler)
	line := newTCP(t, TCPOptions{Address: server.address(), InFlight: callers})
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for i := range each {
				if err := sendOne(line, byte(caller+1), uint16(i)); err != nil {
					t.Errorf("caller %d, request %d: %v", caller, i, err)
					return
				}
			}
		})
	}
	group.Wait()
	if n := server.connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// A reply later than its timeout is not taken for the next request, which is
// answered, on the same connection.
func TestRow02LateReply(t *testing.T) {
	release := make(chan bool)
	server := listenTCP(t, "127.0.0.1:0", func(conn net.Conn) {
		buf := make([]byte, modbus.MaxTCP)
		for {
			late, err := readTCP(conn, buf)
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte{0xFF, 0xFF, 0, 0, 0, 3, 9, 3, 0}) // somebody else's, so that the connection is alive
			<-release
			late.PDU = *addressAsValue(late)
			lateReply := modbus.AppendTCP(nil, late)
			next, err := readTCP(conn, buf)
			if err != nil {
				return
			}
			next.PDU = *addressAsValue(next)
			_, _ = conn.Write(modbus.AppendTCP(lateReply, next))
		}
	})
	line := newTCP(t, TCPOptions{Address: server.address()})
	for round := range uint16(50) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		_, err := line.SendContext(ctx, readOne(modbus.TCP, 1, 1000+round))
		cancel()
		wantKind(t, err, Timeout, true)
		release <- true
		if err := sendOne(line, 1, round); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	if n := server.connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// Replies with the right id of another unit or function are discarded while the timer runs.
func TestRow07WrongUnitOverTCP(t *testing.T) {
	server := listenTCP(t, "127.0.0.1:0", func(conn net.Conn) {
		buf := make([]byte, modbus.MaxTCP)
		for {
			q, err := readTCP(conn, buf)
			if err != nil {
				return
			}
			right := q
			right.PDU = *addressAsValue(q)
			wrongUnit, wrongFunction := right, right
			wrongUnit.Unit++
			wrongFunction.PDU.FunctionCode++
			for _, a := range []modbus.ADU{wrongUnit, wrongFunction, right} {
				_, _ = conn.Write(modbus.AppendTCP(nil, a))
			}
		}
	})
	line := newTCP(t, TCPOptions{Address: server.address()})
	for address := range uint16(20) {
		if err := sendOne(line, 1, address); err != nil {
			t.Fatal(err)
		}
	}
}

// After bytes that no Modbus TCP frame can have, the connection is not trusted any more.
func TestBrokenStreamIsClosed(t *testing.T) {
	for name, garbage := range map[string][]byte{
		"protocol id":   {0, 1, 0, 1, 0, 3, 1, 3, 0},
		"length 0":      {0, 1, 0, 0, 0, 0, 1, 3},
		"length 1":      {0, 1, 0, 0, 0, 1, 1, 3},
		"length 255":    {0, 1, 0, 0, 0, 255, 1, 3},
		"an HTTP reply": []byte("HTTP/1.1 400 Bad Request\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			var broken atomic.Bool
			server := listenTCP(t, "127.0.0.1:0", func(conn net.Conn) {
				if broken.CompareAndSwap(false, true) {
					_, _ = readTCP(conn, make([]byte, modbus.MaxTCP))
					_, _ = conn.Write(garbage)
					_, _ = io.Copy(io.Discard, conn) // until the client closes
					return
				}
				serveTCP(addressAsValue)(conn)
			})
			line := newTCP(t, TCPOptions{Address: server.address()})
			wantKind(t, sendOne(line, 1, 1), Unavailable, true)
			if err := sendOne(line, 1, 2); err != nil {
				t.Error("the next request:", err)
			}
		})
	}
}

// lines are the two ways to a TCP port, which share what follows.
func lines(address string, timeout time.Duration) map[string]Transporter {
	return map[string]Transporter{
		"MBAP": NewTCP(TCPOptions{Address: address, Timeout: timeout}),
		"RTU":  NewStream(StreamOptions{Open: DialTCP(address, nil), Timeout: timeout}),
	}
}

// serveEither answers in the framing of the line.
func serveEither(name string) func(net.Conn) {
	if name == "MBAP" {
		return serveTCP(addressAsValue)
	}
	return func(conn net.Conn) {
		request := make([]byte, 8)
		for {
			if _, err := io.ReadFull(conn, request); err != nil {
				return
			}
			if _, err := conn.Write(answer(request)); err != nil {
				return
			}
		}
	}
}

// A server that is there and answers nothing: the error comes at the timeout, and
// the bus is back within a second of its return, although only new connections work.
func TestRow11HalfOpen(t *testing.T) {
	const short = 50 * time.Millisecond
	for name := range lines("", short) {
		t.Run(name, func(t *testing.T) {
			var dead atomic.Bool
			server := listenTCP(t, "127.0.0.1:0", func(conn net.Conn) {
				if dead.Load() {
					_, _ = io.Copy(io.Discard, conn)
					return
				}
				serveEither(name)(filter{conn, &dead})
			})
			line := lines(server.address(), short)[name]
			defer line.Close()
			if err := sendOne(line, 1, 1); err != nil {
				t.Fatal(err)
			}
			dead.Store(true)
			for range 3 {
				start := time.Now()
				err := ask(line, 1, 2) // with a deadline of its own
				wantKind(t, err, Timeout, true)
				if took := time.Since(start); took > 3*timeout+time.Second {
					t.Errorf("the error came after %v", took)
				}
			}
			dead.Store(false)
			eventually(t, time.Second, "the bus is back", func() bool { return sendOne(line, 1, 3) == nil })
		})
	}
}

// A unit that is dead behind a server which is not costs no connection, as long as
// others answer, and one every other request where nobody does.
func TestRow11DeadUnit(t *testing.T) {
	const short, rounds = 20 * time.Millisecond, 10
	const dead = 9
	for name := range lines("", short) {
		t.Run(name, func(t *testing.T) {
			server := listenTCP(t, "127.0.0.1:0", func(conn net.Conn) {
				serveEither(name)(deafTo{conn, name, dead})
			})
			line := lines(server.address(), short)[name]
			defer line.Close()
			for i := range uint16(rounds) {
				wantKind(t, sendOne(line, dead, i), Timeout, true)
				if err := sendOne(line, 1, i); err != nil {
					t.Fatal(err)
				}
			}
			if n := server.connections(); n != 1 {
				t.Errorf("%d connections for %d requests to a dead unit among others", n, rounds)
			}
			for i := range uint16(rounds) {
				wantKind(t, sendOne(line, dead, i), Timeout, true)
			}
			if n := server.connections(); n != rounds/2 {
				t.Errorf("%d connections for %d requests to a dead unit alone, want %d", n, rounds, rounds/2)
			}
		})
	}
}

// Many requests that are given up together are one silence, not several in a row.
func TestRow11SilenceInFlight(t *testing.T) {
	const callers = 16
	server := listenTCP(t, "127.0.0.1:0", serveTCP(func(q modbus.ADU) *modbus.PDU {
		if q.Unit == 9 {
			return nil
		}
		return addressAsValue(q)
	}))
	line := newTCP(t, TCPOptions{Address: server.address(), InFlight: callers, Timeout: 50 * time.Millisecond})
	for range 5 {
		var group sync.WaitGroup
		for i := range callers {
			group.Go(func() { wantKind(t, sendOne(line, 9, uint16(i)), Timeout, true) })
		}
		group.Wait()
		if err := sendOne(line, 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	if n := server.connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// deafTo is a connection on which the replies of one unit are lost.
type deafTo struct {
	net.Conn
	name string
	unit byte
}

func (d deafTo) Write(b []byte) (int, error) {
	if at := map[string]int{"MBAP": modbus.HeaderSize - 1, "RTU": 0}[d.name]; b[at] == d.unit {
		return len(b), nil
	}
	return d.Conn.Write(b)
}

// filter is a connection that is for ever silent once dead was seen.
type filter struct {
	net.Conn
	dead *atomic.Bool
}

func (f filter) Write(b []byte) (int, error) {
	if f.dead.Load() {
		_, err := io.Copy(io.Discard, f.Conn)
		return 0, errors.Join(err, io.EOF)
	}
	return f.Conn.Write(b)
}

// A server that is gone: requests fail fast, and the bus is back within a second of its return.
func TestRow11Refused(t *testing.T) {
	for name := range lines("", 0) {
		t.Run(name, func(t *testing.T) {
			server := listenTCP(t, "127.0.0.1:0", serveEither(name))
			line := lines(server.address(), 5*time.Second)[name]
			defer line.Close()
			if err := sendOne(line, 1, 1); err != nil {
				t.Fatal(err)
			}
			server.stop()
			eventually(t, time.Second, "the loss is noticed while idle", func() bool { return idleLost(line) })
			for until := time.Now().Add(300 * time.Millisecond); time.Now().Before(until); {
				start := time.Now()
				err := sendOne(line, 1, 2)
				wantKind(t, err, Unavailable, false)
				if took := time.Since(start); took > time.Second {
					t.Fatalf("refused only after %v", took)
				}
				if !strings.Contains(err.Error(), "cannot connect to "+server.address()) {
					t.Fatalf("unclear: %v", err)
				}
			}
			listenTCP(t, server.address(), serveEither(name))
			eventually(t, longestPause, "the bus is back", func() bool { return sendOne(line, 1, 3) == nil })
		})
	}
}

// idleLost reports whether a line knows that it has no connection.
func idleLost(line Transporter) bool {
	if tcp, ok := line.(*TCP); ok {
		return tcp.current() == nil
	}
	return line.(*Stream).link.dead() != nil
}

// A server that closed an idle connection costs no request.
func TestIdleCloseCostsNothing(t *testing.T) {
	for name := range lines("", 0) {
		t.Run(name, func(t *testing.T) {
			served := make(chan net.Conn, 100)
			server := listenTCP(t, "127.0.0.1:0", func(conn net.Conn) {
				served <- conn
				serveEither(name)(conn)
			})
			line := lines(server.address(), 5*time.Second)[name]
			defer line.Close()
			for i := range uint16(20) {
				if err := sendOne(line, 1, i); err != nil {
					t.Fatal(err)
				}
				_ = (<-served).Close()
				eventually(t, time.Second, "the loss is noticed while idle", func() bool { return idleLost(line) })
			}
		})
	}
}

func TestRow12OneConnection(t *testing.T) {
	var now, most atomic.Int32
	server := listenTCP(t, "127.0.0.1:0", func(conn net.Conn) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		serveTCP(addressAsValue)(conn)
	})
	line := newTCP(t, TCPOptions{Address: server.address()})
	var group sync.WaitGroup
	for caller := range 50 {
		group.Go(func() {
			for i := range uint16(20) {
				if err := sendOne(line, byte(caller+1), i); err != nil {
					t.Errorf("caller %d: %v", caller, err)
				}
			}
		})
	}
	group.Wait()
	if server.connections() != 1 || most.Load() != 1 {
		t.Errorf("%d connections, %d at a time", server.connections(), most.Load())
	}
}

// A device that ignores what comes too soon after connecting or after its last reply
// loses nothing when the delay is configured.
func TestRow13Delay(t *testing.T) {
	const quiet = 15 * time.Millisecond
	server := listenTCP(t, "127.0.0.1:0", func(conn net.Conn) {
		last := time.Now()
		serveTCP(func(q modbus.ADU) *modbus.PDU {
			if time.Since(last) < quiet {
				return nil
			}
			defer func() { last = time.Now() }()
			return addressAsValue(q)
		})(conn)
	})
	// The reply's last byte is on its way before the device's clock starts, hence the extra millisecond.
	line := newTCP(t, TCPOptions{Address: server.address(), Delay: quiet + time.Millisecond, Timeout: time.Second})
	var group sync.WaitGroup
	for caller := range 3 {
		group.Go(func() {
			for i := range uint16(15) {
				if err := sendOne(line, byte(caller+1), i); err != nil {
					t.Errorf("request %d: %v", i, err)
				}
			}
		})
	}
	group.Wait()
}

// 200 connections that are reset before, within or after a request: each write
// arrives at most once, and not at all when the error says that it was not sent.
func TestRow16NeverSentTwice(t *testing.T) {
	for name := range lines("", 0) {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			arrived := map[uint16]int{}
			var turn atomic.Int32
			size := map[string]int{"MBAP": 12, "RTU": 8}[name]
			server := listenTCP(t, "127.0.0.1:0", func(conn net.Conn) {
				defer conn.(*net.TCPConn).SetLinger(0) // closing resets
				request := make([]byte, size)
				n, _ := io.ReadFull(conn, request[:int(turn.Add(1))%(size+1)])
				if n < size {
					return
				}
				value := modbus.Registers(request[size-2:])[0]
				if name == "RTU" {
					value = modbus.Registers(request[4:6])[0]
				}
				mu.Lock()
				arrived[value]++
				mu.Unlock()
			})
			line := lines(server.address(), 5*time.Second)[name]
			defer line.Close()
			unsent := map[uint16]bool{}
			for value := range uint16(200) {
				_, err := line.Send(line.Framing().Append(nil, modbus.ADU{Unit: 1, PDU: modbus.WriteRegisterRequest(1, value)}))
				var e *Error
				if !errors.As(err, &e) || e.Kind != Unavailable {
					t.Fatalf("got %v", err)
				}
				unsent[value] = !e.Sent
				forgetFailures(line)
			}
			server.stop()
			if len(arrived) == 0 {
				t.Error("no write arrived at all")
			}
			for value, n := range arrived {
				if n > 1 || unsent[value] {
					t.Errorf("write %d arrived %d times, not sent: %v", value, n, unsent[value])
				}
			}
		})
	}
}

// forgetFailures spares a test the pauses between tries to connect.
func forgetFailures(line Transporter) {
	switch line := line.(type) {
	case *TCP:
		line.mu.Lock()
		line.backoff.reset()
		line.mu.Unlock()
	case *Stream:
		line.backoff.reset()
		line.rest = rest{}
	}
}

func TestTCPCancelAndClose(t *testing.T) {
	arrived := make(chan struct{}, 10)
	server := listenTCP(t, "127.0.0.1:0", serveTCP(func(modbus.ADU) *modbus.PDU { arrived <- struct{}{}; return nil }))
	for name, stop := range map[string]func(line *TCP, cancel func()) Kind{
		"cancel": func(_ *TCP, cancel func()) Kind { cancel(); return Timeout },
		"close":  func(line *TCP, _ func()) Kind { _ = line.Close(); return Closed },
	} {
		t.Run(name, func(t *testing.T) {
			line := newTCP(t, TCPOptions{Address: server.address()})
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			done := make(chan error, 2)
			for range 2 {
				go func() {
					_, err := line.SendContext(ctx, readOne(modbus.TCP, 1, 1))
					done <- err
				}()
			}
			<-arrived
			start := time.Now()
			kind := stop(line, cancel)
			sent := 0
			for range 2 {
				var e *Error
				if err := <-done; !errors.As(err, &e) || e.Kind != kind {
					t.Errorf("got %v", err)
				} else if e.Sent {
					sent++
				}
			}
			if took := time.Since(start); sent != 1 || took > time.Second {
				t.Errorf("%d of 2 sent, ended after %v", sent, took)
			}
			_ = line.Close()
			wantKind(t, sendOne(line, 1, 1), Closed, false)
			wantKind(t, line.Connect(context.Background()), Closed, false)
		})
	}
}

// A caller who has to wait for others does so until its deadline and no longer.
func TestWaitingForOthersIsBounded(t *testing.T) {
	server := listenTCP(t, "127.0.0.1:0", serveTCP(func(modbus.ADU) *modbus.PDU { return nil }))
	line := newTCP(t, TCPOptions{Address: server.address(), Timeout: time.Minute})
	first := make(chan error, 1)
	go func() { first <- sendOne(line, 1, 1) }()
	eventually(t, 5*time.Second, "the first request is sent", func() bool { return server.connections() == 1 && len(line.free) == 0 })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := line.SendContext(ctx, readOne(modbus.TCP, 1, 2))
	wantKind(t, err, Timeout, false)
	_ = line.Close()
	wantKind(t, <-first, Closed, true)
}

func TestConnect(t *testing.T) {
	server := listenTCP(t, "127.0.0.1:0", serveTCP(addressAsValue))
	for name, line := range map[string]interface {
		Transporter
		Connect(ctx context.Context) error
	}{
		"MBAP": NewTCP(TCPOptions{Address: server.address()}),
		"RTU":  NewStream(StreamOptions{Open: DialTCP(server.address(), nil)}),
	} {
		before := server.connections()
		for range 3 {
			if err := line.Connect(context.Background()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		eventually(t, time.Second, "one connection", func() bool { return server.connections() == before+1 })
		_ = line.Close()
	}
	server.stop()
	line := newTCP(t, TCPOptions{Address: server.address()})
	wantKind(t, line.Connect(context.Background()), Unavailable, false)
}

func TestUDP(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		buf := make([]byte, modbus.MaxTCP)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			q, err := modbus.ParseTCP(buf[:n])
			if err != nil {
				continue
			}
			q.PDU = *addressAsValue(q)
			_, _ = conn.WriteTo([]byte("garbage"), from) // costs nothing but itself
			_, _ = conn.WriteTo(modbus.AppendTCP(nil, q), from)
		}
	}()
	defer func() { _ = conn.Close(); <-served }()
	line := newTCP(t, TCPOptions{Network: "udp", Address: conn.LocalAddr().String()})
	for i := range uint16(20) {
		if err := sendOne(line, 1, i); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTLS(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate
	web.Close()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	server := listenTCP(t, "127.0.0.1:0", func(conn net.Conn) {
		serveTCP(addressAsValue)(tls.Server(conn, &tls.Config{Certificates: web.TLS.Certificates}))
	})
	line := newTCP(t, TCPOptions{Address: server.address(), TLS: func() (*tls.Config, error) { return &tls.Config{RootCAs: roots, ServerName: "example.com"}, nil }})
	for i := range uint16(5) {
		if err := sendOne(line, 1, i); err != nil {
			t.Fatal(err)
		}
	}
	strict := newTCP(t, TCPOptions{Address: server.address(), TLS: TLSFiles{ServerName: "example.com"}.Config})
	wantKind(t, sendOne(strict, 1, 1), Unavailable, false)
}

// A transaction makes one allocation: the reply, which is the caller's.
func TestTCPAllocations(t *testing.T) {
	server := listenTCP(t, "127.0.0.1:0", plainServer)
	line := newTCP(t, TCPOptions{Address: server.address()})
	request := readOne(modbus.TCP, 1, 0)
	allocs := testing.AllocsPerRun(500, func() {
		if _, err := line.Send(request); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 1 {
		t.Errorf("%v allocations per transaction, want 1", allocs)
	}
}

// FuzzDeliver feeds a connection's reader with anything: it takes no more than
// there is, and no call gets a frame that is not its own.
func FuzzDeliver(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 42})
	f.Add([]byte{0, 1, 0, 0, 0, 3, 1, 0x83, 2, 0, 2, 0, 0, 0, 3, 2, 3, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		owner := &TCP{}
		q := &call{id: 1, callerID: 7, unit: 1, function: 3, done: make(chan struct{}, 1)}
		c := &conn{owner: owner, pending: []*call{q}}
		used, err := c.deliver(b)
		if used > len(b) || err == nil && len(b)-used >= modbus.MaxTCP {
			t.Fatalf("used %d of %d bytes, %v", used, len(b), err)
		}
		if q.reply == nil {
			return
		}
		a, err := modbus.ParseTCP(q.reply)
		if err != nil || a.Transaction != 7 || a.Unit != 1 || a.PDU.FunctionCode&0x7F != 3 || len(c.pending) != 0 {
			t.Fatalf("got % X, %v, %d pending", q.reply, err, len(c.pending))
		}
	})
}
