package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// ends returns a quick connection and its other end.
func ends(t *testing.T) (q, other net.Conn) {
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
	return quick(conn), other
}

// More than the system takes at once is written as it is read.
func TestQuickWrite(t *testing.T) {
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

func TestQuickEnds(t *testing.T) {
	b := make([]byte, 10)
	passed := time.Now().Add(-time.Second)
	for name, c := range map[string]struct {
		act  func(q, other net.Conn) error
		want error
	}{
		"read: the other end closes": {func(q, other net.Conn) error {
			other.Close()
			_, err := q.Read(b)
			return err
		}, io.EOF},
		"read: closed": {func(q, _ net.Conn) error {
			time.AfterFunc(time.Millisecond, func() { q.Close() })
			_, err := q.Read(b)
			return err
		}, net.ErrClosed},
		"read: too late": {func(q, _ net.Conn) error {
			_, err := q.Read(b)
			return err
		}, os.ErrDeadlineExceeded},
		"write: closed": {func(q, _ net.Conn) error {
			q.Close()
			_, err := q.Write(b)
			return err
		}, net.ErrClosed},
		"write: too late": {func(q, _ net.Conn) error {
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
