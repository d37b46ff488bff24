package gateway

import (
	"math"
	"sync"

	"golang.org/x/time/rate"
)

// maxClients bounds the clients whose rates are kept apart; those beyond it share one.
const maxClients = 1024

// limiter keeps each client of a bus to a number of requests per second. A client
// that was quiet for a second may use that second's requests at once.
type limiter struct {
	perSecond float64
	mu        sync.Mutex
	clients   map[string]*rate.Limiter
	others    *rate.Limiter
}

// newLimiter returns nil for 0, which is no limit.
func newLimiter(perSecond float64) *limiter {
	if perSecond <= 0 {
		return nil
	}
	l := &limiter{perSecond: perSecond, clients: map[string]*rate.Limiter{}}
	l.others = l.bucket()
	return l
}

func (l *limiter) bucket() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(l.perSecond), int(math.Ceil(l.perSecond)))
}

// allow reports whether the client may send a request now, and counts it.
func (l *limiter) allow(client string) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.clients[client]
	if b == nil {
		if len(l.clients) >= maxClients {
			l.forgetQuiet()
		}
		if len(l.clients) >= maxClients {
			return l.others.Allow()
		}
		b = l.bucket()
		l.clients[client] = b
	}
	return b.Allow()
}

// forgetQuiet drops the clients that have all their requests left: a new bucket is the same.
func (l *limiter) forgetQuiet() {
	for client, b := range l.clients {
		if b.Tokens() >= float64(b.Burst()) {
			delete(l.clients, client)
		}
	}
}
