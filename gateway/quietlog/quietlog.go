// Package quietlog is a log that nobody can fill from outside: of each kind of warning
// there is one line in a minute, and the next one says how many came in between.
package quietlog

import (
	"log/slog"
	"sync"
	"time"
)

// Every is the time between two lines of one kind.
const Every = time.Minute

// Log warns. Its methods may be called from any goroutine.
type Log struct {
	log   *slog.Logger
	mu    sync.Mutex
	kinds map[string]*kind
}

// kind is what became of the warnings of one message.
type kind struct {
	said   time.Time
	hidden int // since then
}

// New returns a log that writes to another one.
func New(log *slog.Logger) *Log { return &Log{log: log, kinds: map[string]*kind{}} }

// Warn logs a warning. Those with the same message are of one kind; the message must
// be one of few.
func (l *Log) Warn(message string, args ...any) {
	hidden, say := l.take(message)
	if !say {
		return
	}
	if hidden > 0 {
		args = append(args[:len(args):len(args)], "not_shown_before", hidden)
	}
	l.log.Warn(message, args...)
}

func (l *Log) take(message string) (hidden int, say bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[message]
	if k == nil {
		k = &kind{}
		l.kinds[message] = k
	}
	now := time.Now()
	if !k.said.IsZero() && now.Sub(k.said) < Every {
		k.hidden++
		return 0, false
	}
	hidden = k.hidden
	k.said, k.hidden = now, 0
	return hidden, true
}
