package console

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// door counts connections. One more than there may be takes the place of the one that
// has asked nothing for longest; where all ask, it is closed itself. Those that became
// a WebSocket do not count: the broker bounds its own.
type door struct {
	most int
	log  *slog.Logger

	mu   sync.Mutex
	open map[net.Conn]time.Time // since when each waits for a request; zero = it does not
	told time.Time              // when somebody was closed last that the log tells of
}

// toldEvery is how often the log tells that there are too many.
const toldEvery = time.Minute

func newDoor(most int, log *slog.Logger) *door {
	return &door{most: most, log: log, open: map[net.Conn]time.Time{}}
}

// changed is told of each state of each connection.
func (d *door) changed(c net.Conn, s http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch s {
	case http.StateNew:
		if len(d.open) >= d.most {
			d.makeRoom(c)
		}
		d.open[c] = time.Now() // until it has said something, it waits
	case http.StateIdle:
		d.open[c] = time.Now()
	case http.StateActive:
		d.open[c] = time.Time{}
	case http.StateClosed, http.StateHijacked:
		delete(d.open, c)
	}
}

func (d *door) makeRoom(newcomer net.Conn) {
	idlest := newcomer
	for c, since := range d.open {
		if !since.IsZero() && (idlest == newcomer || since.Before(d.open[idlest])) {
			idlest = c
		}
	}
	_ = idlest.Close() // its server tells of it
	if idlest != newcomer {
		delete(d.open, idlest)
	}
	if now := time.Now(); now.Sub(d.told) >= toldEvery {
		d.told = now
		d.log.Warn("too many HTTP connections: the idlest is closed for a new one", "open", len(d.open), "client", newcomer.RemoteAddr())
	}
}
