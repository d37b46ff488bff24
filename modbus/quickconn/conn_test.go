package quickconn

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ends returns a quick connection and its other end.
func ends(t *testing.T) (q *Conn, other net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if other, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); other.Close() })
	return New(conn.(*net.TCPConn)), other
}

// More than the system takes at once is written as it is read.
func TestWrite(t *testing.T) {
	q, other := ends(t)
	sent := bytes.Repeat([]byte("0123456789"), 2<<20)
	done := make(chan error, 1)
	go func() {
		n, err := q.Write(sent)
		if err == nil && n != len(sent) {
			err = io.ErrShortWrite
		}
		q.Close()
		done <- err
	}()
	got, err := io.ReadAll(other)
	if err = errors.Join(err, <-done); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes, %v", len(got), len(sent), err)
	}
}

func TestEnds(t *testing.T) {
	b := make([]byte, 10)
	passed := time.Now().Add(-time.Second)
	for name, c := range map[string]struct {
		act  func(q *Conn, other net.Conn) error
		want error
	}{
		"read: the other end closes": {func(q *Conn, other net.Conn) error {
			other.Close()
			_, err := q.Read(b)
			return err
		}, io.EOF},
		"read: closed": {func(q *Conn, _ net.Conn) error {
			time.AfterFunc(time.Millisecond, func() { q.Close() })
			_, err := q.Read(b)
			return err
		}, net.ErrClosed},
		"read: too late": {func(q *Conn, _ net.Conn) error {
			_, err := q.Read(b)
			return err
		}, os.ErrDeadlineExceeded},
		"write: closed": {func(q *Conn, _ net.Conn) error {
			q.Close()
			_, err := q.Write(b)
			return err
		}, net.ErrClosed},
		"write: too late": {func(q *Conn, _ net.Conn) error {
			_, err := q.Write(make([]byte, 20<<20))
			return err
		}, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			q, other := ends(t)
			if errors.Is(c.want, os.ErrDeadlineExceeded) {
				if err := q.SetDeadline(passed); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.act(q, other); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// Both directions at the same time, as a reader and several writers use a connection.
func TestBothWays(t *testing.T) {
	q, other := ends(t)
	go io.Copy(other, other)
	const writers, each, size = 4, 100, 1000
	for w := range writers {
		go func() {
			for range each {
				if _, err := q.Write(bytes.Repeat([]byte{byte(w)}, size)); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	for i := range writers * each {
		whole := make([]byte, size)
		if _, err := io.ReadFull(q, whole); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(whole, bytes.Repeat(whole[:1], size)) {
			t.Fatalf("write %d was torn by another", i)
		}
	}
}

// Errors read as those of package net do.
func TestErrorText(t *testing.T) {
	q, _ := ends(t)
	q.Close()
	b := make([]byte, 1)
	_, got := q.Read(b)
	_, want := q.TCPConn.Read(b)
	if got.Error() != want.Error() {
		t.Errorf("read: %q, want %q", got, want)
	}
	_, got = q.Write(b)
	_, want = q.TCPConn.Write(b)
	if got.Error() != want.Error() {
		t.Errorf("write: %q, want %q", got, want)
	}
}
