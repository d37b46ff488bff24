package console

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipe is a connection that notes that it is closed.
type pipe struct {
	net.Conn
	closed *bool
}

func (p pipe) Close() error         { *p.closed = true; return nil }
func (p pipe) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// Who holds connections open and asks nothing gives way to who comes.
func TestIdleConnectionsGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := newDoor(3, slog.New(slog.NewTextHandler(&log, nil)))
		var closed [6]bool
		conns := make([]net.Conn, len(closed))
		enter := func(i int) {
			conns[i] = pipe{closed: &closed[i]}
			d.changed(conns[i], http.StateNew)
			time.Sleep(time.Second)
		}
		for i := range 3 {
			enter(i)
			d.changed(conns[i], http.StateActive)
		}
		d.changed(conns[1], http.StateIdle)
		time.Sleep(time.Second)
		d.changed(conns[2], http.StateIdle)
		enter(3)
		if closed != [6]bool{1: true} {
			t.Fatalf("closed are %v, want the second, which was idle for longest", closed)
		}
		d.changed(conns[1], http.StateClosed)
		d.changed(conns[2], http.StateActive)
		d.changed(conns[3], http.StateActive)
		enter(4)
		if closed != [6]bool{1: true, 4: true} {
			t.Fatalf("closed are %v, want the newcomer, as all others ask", closed)
		}
		d.changed(conns[4], http.StateClosed)
		d.changed(conns[0], http.StateHijacked)
		enter(5)
		if closed[5] {
			t.Error("there was room for the last one")
		}
		if strings.Count(log.String(), "too many HTTP connections") != 1 {
			t.Errorf("the log says\n%s", log.String())
		}
	})
}
