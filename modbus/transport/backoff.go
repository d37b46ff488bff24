package transport

import (
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	firstPause   = 100 * time.Millisecond
	longestPause = time.Second // a path is back for its users within this time of its return
)

// backoff spaces the tries to open a path: the first retry is immediate, then
// 100 ms doubling to 1 s, each shortened by up to a quarter so that many clients
// of one server do not try in step.
type backoff struct {
	failures int // in a row
	until    time.Time
	cause    error
}

// refuse returns why the path is not tried now, nil if it may be.
func (b *backoff) refuse(now time.Time) error {
	if wait := b.until.Sub(now); wait > 0 {
		return fmt.Errorf("%w (next try in %v)", b.cause, wait.Round(time.Millisecond))
	}
	return nil
}

func (b *backoff) failed(now time.Time, cause error) {
	b.cause = cause
	if b.failures++; b.failures == 1 {
		return
	}
	pause := longestPause
	if doublings := b.failures - 2; doublings < 4 {
		pause = firstPause << doublings
	}
	b.until = now.Add(pause - rand.N(pause/4))
}

func (b *backoff) reset() { *b = backoff{} }
