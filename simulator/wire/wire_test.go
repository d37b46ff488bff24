package wire_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"modferry/simulator/wire"
)

func hear(t *testing.T, s net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(s, b); err != nil || string(b) != want {
		t.Errorf("heard %q, %v; want %q", b[:n], err, want)
	}
}

func TestAllOthersHear(t *testing.T) {
	w := wire.New()
	a, b, c := w.Join(), w.Join(), w.Join()
	a.Write([]byte("one"))
	b.Write([]byte("two"))
	hear(t, a, "two")
	hear(t, b, "one")
	hear(t, c, "onetwo")
	b.Close()
	a.Write([]byte("three"))
	hear(t, c, "three")
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a station that left reads: %v", err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a station that left writes: %v", err)
	}
	c.Write([]byte("lost"))
	a.Flush()
	c.Write([]byte("kept"))
	hear(t, a, "kept")
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wire.Pipe()
		start := time.Now()
		a.SetReadDeadline(start.Add(time.Second))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		a.SetReadDeadline(time.Time{})
		var all sync.WaitGroup
		all.Go(func() { hear(t, a, "late") })
		time.Sleep(time.Hour)
		b.Write([]byte("late"))
		all.Wait()
		all.Go(func() {
			if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a read ended with %v", err)
			}
		})
		synctest.Wait()
		a.Close()
		all.Wait()
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the other end reads %v", err)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the other end writes %v", err)
		}
	})
}

// What nobody reads on a line is bounded.
func TestOverrun(t *testing.T) {
	w := wire.New()
	a, b := w.Join(), w.Join()
	for range 100 {
		a.Write(make([]byte, 1<<12))
	}
	got := make([]byte, 1<<20)
	if n, err := b.Read(got); n != 64<<10 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// On a connection nothing is lost: whoever says much waits until it is read.
func TestConnectionWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		a, b := wire.Pipe()
		var all sync.WaitGroup
		all.Go(func() {
			if n, err := a.Write(make([]byte, size)); n != size || err != nil {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
		if n, err := io.ReadFull(b, make([]byte, size)); err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		all.Wait()
	})
}

// Waiting to write ends with the deadline, or when either end is closed.
func TestConnectionDoesNotWaitForEver(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(a, b *wire.Station)
		want error
	}{
		"deadline":  {func(a, _ *wire.Station) { a.SetDeadline(time.Now().Add(time.Second)) }, os.ErrDeadlineExceeded},
		"closed":    {func(a, _ *wire.Station) { time.AfterFunc(time.Second, func() { a.Close() }) }, net.ErrClosed},
		"other end": {func(_, b *wire.Station) { time.AfterFunc(time.Second, func() { b.Close() }) }, io.ErrClosedPipe},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, b := wire.Pipe()
			c.end(a, b)
			start := time.Now()
			if n, err := a.Write(make([]byte, 1<<17)); n != 64<<10 || !errors.Is(err, c.want) || time.Since(start) != time.Second {
				t.Errorf("%s: %d bytes, %v after %v", name, n, err, time.Since(start))
			}
			a.Close()
			b.Close()
		})
	}
}

func TestListener(t *testing.T) {
	l := wire.Listen()
	var all sync.WaitGroup
	all.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Write([]byte("hello"))
	})
	conn, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hear(t, conn, "hello")
	all.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	l.Close()
	if _, err := l.Dial(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
