package mqtt

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// tcpPair returns the two ends of a TCP connection.
func tcpPair(t testing.TB) (near *socket, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if near, err = newSocket(c); err != nil {
		t.Fatal(err)
	}
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); other.Close() })
	return near, other.(*net.TCPConn)
}

// gate is a connection whose writes wait to be let through.
type gate struct {
	net.Conn
	writes chan []byte // each write, when it begins
	pass   chan error  // its result
}

func (g *gate) Write(p []byte) (int, error) {
	g.writes <- bytes.Clone(p)
	return len(p), <-g.pass
}

func newGate(t testing.TB) (*gate, *wire) {
	near, _ := tcpPair(t)
	g := &gate{Conn: near, writes: make(chan []byte, 100), pass: make(chan error, 100)}
	w := newWire(g, near, nil)
	t.Cleanup(func() { close(g.pass); w.Close() })
	return g, w
}

// sent returns what the next write has in it.
func (g *gate) sent(t testing.TB) string {
	t.Helper()
	select {
	case p := <-g.writes:
		return string(p)
	case <-time.After(testPatience):
		t.Fatal("nothing is sent")
		return ""
	}
}

func write(t testing.TB, w io.Writer, s string) {
	t.Helper()
	if n, err := io.WriteString(w, s); n != len(s) || err != nil {
		t.Fatalf("%d of %d bytes, %v", n, len(s), err)
	}
}

func TestWhatIsWrittenWhileSendingGoesTogether(t *testing.T) {
	g, w := newGate(t)
	write(t, w, "first")
	if got := g.sent(t); got != "first" {
		t.Fatalf("sent %q", got)
	}
	for _, s := range []string{"a", "b", "c"} {
		write(t, w, s)
	}
	g.pass <- nil
	if got := g.sent(t); got != "abc" {
		t.Errorf("sent %q after it, want all that was written meanwhile", got)
	}
	g.pass <- nil
	write(t, w, "last")
	if got := g.sent(t); got != "last" {
		t.Errorf("sent %q", got)
	}
}

func TestPartsOfAPacketAreNotSentBeforeItsEnd(t *testing.T) {
	g, w := newGate(t)
	g.pass <- nil
	w.Lock()
	write(t, w, "head")
	rouse(w.wake) // the sender looks, and must not take it
	write(t, w, "body")
	rouse(w.wake)
	select {
	case p := <-g.writes:
		t.Errorf("%q was sent before the packet was complete", p)
	case <-time.After(20 * time.Millisecond):
	}
	w.Unlock()
	if got := g.sent(t); got != "headbody" {
		t.Errorf("sent %q", got)
	}
}

func TestAPacketLargerThanTheBufferIsSentInPieces(t *testing.T) {
	near, far := tcpPair(t)
	w := newWire(near, near, nil)
	large := make([]byte, 5*maxPending+3)
	_, _ = rand.Read(large)
	written := make(chan error, 1)
	go func() {
		w.Lock()
		_, err := w.Write(large)
		w.Unlock()
		written <- errors.Join(err, w.Close())
	}()
	got, err := io.ReadAll(far)
	if !bytes.Equal(got, large) || err != nil {
		t.Errorf("%d of %d bytes came, %v", len(got), len(large), err)
	}
	far.Close()
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestWriteWaitsForRoomUntilItsDeadline(t *testing.T) {
	g, w := newGate(t)
	write(t, w, "x")
	g.sent(t) // and stuck
	write(t, w, strings.Repeat("y", maxPending))
	_ = w.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := w.Write([]byte("z")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d, %v", n, err)
	}
	_ = w.SetWriteDeadline(time.Time{})
	g.pass <- nil
	if got := g.sent(t); len(got) != maxPending {
		t.Fatalf("%d bytes sent", len(got))
	}
	write(t, w, "z") // nothing was lost: the connection goes on
	g.pass <- nil
	if got := g.sent(t); got != "z" {
		t.Errorf("sent %q", got)
	}
}

func TestAPacketCutByTheDeadlineEndsTheConnection(t *testing.T) {
	g, w := newGate(t)
	write(t, w, "x")
	g.sent(t)
	_ = w.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := w.Write(make([]byte, maxPending+1)); n != maxPending || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d, %v", n, err)
	}
	_ = w.SetWriteDeadline(time.Time{})
	if _, err := w.Write([]byte("next")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the next Write: %v", err)
	}
	if _, err := w.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %v", err)
	}
}

func TestADeadlineSetLaterEndsAWaitingWrite(t *testing.T) {
	g, w := newGate(t)
	write(t, w, "x")
	g.sent(t)
	write(t, w, strings.Repeat("y", maxPending))
	result := make(chan error, 1)
	go func() {
		_, err := w.Write([]byte("z"))
		result <- err
	}()
	_ = w.SetDeadline(time.Unix(1, 0))
	select {
	case err := <-result:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	case <-time.After(testPatience):
		t.Error("Write still waits")
	}
}

func TestAnErrorInSendingComesBack(t *testing.T) {
	g, w := newGate(t)
	failure := errors.New("the cable is cut")
	g.pass <- failure
	write(t, w, "x")
	if _, err := w.Read(make([]byte, 1)); !errors.Is(err, failure) {
		t.Errorf("Read: %v", err)
	}
	if _, err := w.Write([]byte("y")); !errors.Is(err, failure) {
		t.Errorf("Write: %v", err)
	}
}

// carriers connects wires to a peer over each carrier. The peer gets the other end.
var carriers = map[string]func(t *testing.T, peer func(net.Conn)) *wire{
	"TCP": func(t *testing.T, peer func(net.Conn)) *wire {
		return dialed(t, "mqtt://"+serve(t, peer), nil)
	},
	"TLS": func(t *testing.T, peer func(net.Conn)) *wire {
		a := newAuthority(t, "test authority")
		config := &tls.Config{Certificates: []tls.Certificate{a.sign("broker", nil).load(t)}}
		return dialed(t, "mqtts://"+serve(t, func(c net.Conn) { peer(tls.Server(c, config)) }), secureWith(t, a.file, pair{}, ""))
	},
	"WebSocket": func(t *testing.T, peer func(net.Conn)) *wire {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}})
			if err != nil {
				t.Error(err)
				return
			}
			if p := c.Subprotocol(); p != "mqtt" {
				t.Errorf("subprotocol %q", p)
			}
			peer(websocket.NetConn(r.Context(), c, websocket.MessageBinary))
			c.CloseNow()
		}))
		t.Cleanup(server.Close)
		return dialed(t, "ws"+strings.TrimPrefix(server.URL, "http")+"/mqtt", nil)
	},
}

func dialed(t testing.TB, address string, secure func() (*tls.Config, error)) *wire {
	t.Helper()
	w, err := dialWithin(testPatience, address, secure)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func eachCarrier(t *testing.T, test func(t *testing.T, connect func(peer func(net.Conn)) *wire)) {
	for name, carrier := range carriers {
		t.Run(name, func(t *testing.T) {
			test(t, func(peer func(net.Conn)) *wire { return carrier(t, peer) })
		})
	}
}

// TestCloseLosesNothing: not even with bytes from the broker that nobody has read.
func TestCloseLosesNothing(t *testing.T) {
	eachCarrier(t, func(t *testing.T, connect func(peer func(net.Conn)) *wire) {
		for range 20 {
			got := make(chan []byte, 1)
			w := connect(func(c net.Conn) {
				_, _ = c.Write(bytes.Repeat([]byte{0x20}, 20000))
				b, err := io.ReadAll(c)
				if err != nil {
					t.Errorf("not ended in order: %v", err)
				}
				got <- b
			})
			last := make([]byte, maxPending)
			_, _ = rand.Read(last)
			write(t, w, string(last))
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			if b := <-got; !bytes.Equal(b, last) {
				t.Fatalf("%d of %d bytes came", len(b), len(last))
			}
		}
	})
}

func TestCloseIsBounded(t *testing.T) {
	eachCarrier(t, func(t *testing.T, connect func(peer func(net.Conn)) *wire) {
		end := make(chan struct{})
		defer close(end)
		w := connect(func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1)) // finishes the handshake, and takes no more
			<-end
		})
		write(t, w, "x")
		_ = w.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		for n := 0; n < 1000; n++ { // fills the buffers of both systems
			if _, err := w.Write(make([]byte, maxPending/4)); err != nil {
				break
			}
		}
		reading := make(chan error, 1)
		go func() {
			_, err := w.Read(make([]byte, 1))
			reading <- err
		}()
		began := time.Now()
		_ = w.Close()
		if took := time.Since(began); took > lastFlush+linger+time.Second/2 {
			t.Errorf("Close took %v", took)
		}
		select {
		case err := <-reading:
			if err == nil {
				t.Error("Read returned something")
			}
		case <-time.After(testPatience):
			t.Error("Read still waits")
		}
		if _, err := w.Write([]byte("x")); err == nil {
			t.Error("Write after Close")
		}
	})
}

func TestCloseDoesNotWaitForABrokerThatStays(t *testing.T) {
	eachCarrier(t, func(t *testing.T, connect func(peer func(net.Conn)) *wire) {
		end := make(chan struct{})
		defer close(end)
		w := connect(func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 1))
			<-end
		})
		write(t, w, "x")
		began := time.Now()
		_ = w.Close()
		if took := time.Since(began); took > linger+time.Second/2 {
			t.Errorf("Close took %v", took)
		}
	})
}

// leaver is a broker that left: writing fails, and what it said last comes a little later.
type leaver struct {
	net.Conn
	failed, closed chan struct{}
	last           error
}

func (l *leaver) Write([]byte) (int, error) {
	close(l.failed)
	return 0, syscall.EPIPE
}

func (l *leaver) Read([]byte) (int, error) {
	<-l.failed
	select {
	case <-l.closed:
		return 0, net.ErrClosed
	case <-time.After(linger / 5):
		return 0, l.last
	}
}

func (l *leaver) Close() error {
	close(l.closed)
	return nil
}

func TestWhatTheBrokerSaidLastIsHeard(t *testing.T) {
	near, _ := tcpPair(t)
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}
	w := newWire(&leaver{near, make(chan struct{}), make(chan struct{}), alert}, near, nil)
	write(t, w, "x")
	if _, err := w.Read(make([]byte, 1)); !errors.Is(err, alert) || !strings.Contains(err.Error(), "mqtt.tls.cert") {
		t.Errorf("Read: %v", err)
	}
	if _, err := w.Write([]byte("y")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Write: %v", err)
	}
	_ = w.Close()
}

func TestReadAfterCloseSaysThatWeClosed(t *testing.T) {
	eachCarrier(t, func(t *testing.T, connect func(peer func(net.Conn)) *wire) {
		w := connect(waitGone)
		reading := make(chan error, 1)
		go func() {
			_, err := w.Read(make([]byte, 1))
			reading <- err
		}()
		_ = w.Close()
		if err := <-reading; err != net.ErrClosed { // the libraries look at its words
			t.Error(err)
		}
		if w.eof() {
			t.Error("the broker is said to have ended the connection")
		}
	})
}

func TestTheEndByTheBrokerIsKnown(t *testing.T) {
	eachCarrier(t, func(t *testing.T, connect func(peer func(net.Conn)) *wire) {
		w := connect(func(c net.Conn) {
			_, _ = c.Write([]byte{0x20})
			_, _ = c.Read(make([]byte, 1))
			c.Close()
		})
		write(t, w, "x")
		if n, err := w.Read(make([]byte, 10)); n != 1 || err != nil || w.eof() {
			t.Fatalf("%d, %v, ended %t", n, err, w.eof())
		}
		if _, err := w.Read(make([]byte, 10)); err != io.EOF || !w.eof() {
			t.Errorf("%v, ended %t", err, w.eof())
		}
	})
}

func TestTheTimeOfTheLastBytesIsKnown(t *testing.T) {
	eachCarrier(t, func(t *testing.T, connect func(peer func(net.Conn)) *wire) {
		w := connect(func(c net.Conn) {
			for b := make([]byte, 1); ; {
				if _, err := io.ReadFull(c, b); err != nil {
					return
				}
				_, _ = c.Write([]byte{0x20})
			}
		})
		for range 3 {
			before := time.Now()
			if last := w.lastReceived(); last.After(before) || before.Sub(last) > testPatience {
				t.Errorf("bytes came last at %v, and it is %v", last, before)
			}
			write(t, w, "x")
			if _, err := io.ReadFull(w, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if w.lastReceived().Before(before) {
				t.Error("the bytes that came were not noticed")
			}
		}
	})
}

// TestEchoWithManyWriters: what each writes arrives whole, also where it is larger than the buffer.
func TestEchoWithManyWriters(t *testing.T) {
	eachCarrier(t, func(t *testing.T, connect func(peer func(net.Conn)) *wire) {
		w := connect(func(c net.Conn) { _, _ = io.Copy(c, c) })
		const writers, each, size = 4, 30, 5000
		total := 1 + writers*(each*size+2*maxPending+1)
		read := make(chan []byte, 1)
		go func() {
			b, err := io.ReadAll(io.LimitReader(w, int64(total)))
			if err != nil {
				t.Error(err)
			}
			read <- b
		}()
		write(t, w, "\x20")
		var writing sync.WaitGroup
		for i := range writers {
			writing.Go(func() {
				for range each {
					write(t, w, strings.Repeat(string(rune('a'+i)), size))
				}
				write(t, w, strings.Repeat(string(rune('a'+i)), 2*maxPending+1))
			})
		}
		writing.Wait()
		got := <-read
		if len(got) != total {
			t.Fatalf("%d of %d bytes", len(got), total)
		}
		for rest := got[1:]; len(rest) > 0; {
			run := len(rest) - len(bytes.TrimLeft(rest, string(rest[:1])))
			if large := run - 2*maxPending - 1; run%size != 0 && (large < 0 || large%size != 0) {
				t.Fatalf("a piece of %d bytes", run)
			}
			rest = rest[run:]
		}
	})
}

func TestCloseInAllDirectionsAtOnce(t *testing.T) {
	eachCarrier(t, func(t *testing.T, connect func(peer func(net.Conn)) *wire) {
		for range 20 {
			w := connect(func(c net.Conn) { _, _ = io.CopyN(c, c, 5000); c.Close() })
			var running sync.WaitGroup
			for range 2 {
				running.Go(func() {
					for {
						if _, err := w.Write([]byte(strings.Repeat(" ", 100))); err != nil {
							return
						}
					}
				})
			}
			running.Go(func() { _, _ = io.Copy(io.Discard, w); w.Close() })
			running.Wait()
		}
	})
}

func TestAMessageInEachDirectionAllocatesNothing(t *testing.T) {
	near, far := tcpPair(t)
	w := newWire(near, near, nil)
	defer func() { far.Close(); w.Close() }()
	message := bytes.Repeat([]byte{0x20}, 100)
	buffer := make([]byte, len(message))
	exchange := func() {
		_ = w.SetWriteDeadline(time.Now().Add(testPatience))
		_, _ = w.Write(message)
		_, _ = io.ReadFull(far, buffer)
		_, _ = far.Write(message)
		_, _ = io.ReadFull(w, buffer)
	}
	n := 1.0
	for tries := 0; n >= 1 && tries < 5; tries++ { // what an earlier test left running counts, too, for a moment
		n = testing.AllocsPerRun(200, exchange)
	}
	if n >= 1 {
		t.Errorf("%v allocations", n)
	}
}
