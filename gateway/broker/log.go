package broker

import (
	"log/slog"
	"sync"
	"time"
)

const (
	logEvery = time.Minute
	logMost  = 10 // lines of one kind in that time
)

// quiet is a log that no client can fill: of each kind of warning there are only a
// few in a minute.
type quiet struct {
	*slog.Logger
	mu    sync.Mutex
	kinds map[string]*burst
}

type burst struct {
	since time.Time
	lines int
}

func newQuiet(log *slog.Logger) *quiet { return &quiet{Logger: log, kinds: map[string]*burst{}} }

func (q *quiet) warn(kind, message string, args ...any) {
	now := time.Now()
	q.mu.Lock()
	b := q.kinds[kind]
	if b == nil {
		b = &burst{since: now}
		q.kinds[kind] = b
	}
	hidden := 0
	if now.Sub(b.since) >= logEvery {
		hidden = max(0, b.lines-logMost)
		b.since, b.lines = now, 0
	}
	b.lines++
	say, last := b.lines <= logMost, b.lines == logMost
	q.mu.Unlock()
	switch {
	case !say:
		return
	case last:
		args = append(args, "note", "more of these are not shown for a minute")
	case hidden > 0:
		args = append(args, "not_shown_before", hidden)
	}
	q.Warn(message, args...)
}

func (q *quiet) debug(message string, args ...any) { q.Debug(message, args...) }
