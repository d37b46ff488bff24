package mqtt

import (
	"sync"
	"time"
)

// Two gateways of one name contradict each other for ever; these keep that slow.
const (
	minCorrection   = 100 * time.Millisecond
	maxCorrection   = 10 * time.Second
	calmAgain       = time.Minute // without a contradiction, after which the next is corrected at once
	firstCorrection = 0
)

// contradiction is that somebody else says something on the status topic. A token in C
// asks for it to be corrected.
type contradiction struct {
	C chan struct{}

	mu    sync.Mutex
	wait  time.Duration // before the next correction
	last  time.Time
	timer *time.Timer // nil = none is on its way
}

func newContradiction() *contradiction { return &contradiction{C: make(chan struct{}, 1)} }

// heard asks for a correction, the later the more there were.
func (c *contradiction) heard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.last) > calmAgain {
		c.wait = firstCorrection
	}
	c.last = time.Now()
	if c.timer != nil {
		return
	}
	c.timer = time.AfterFunc(c.wait, func() {
		c.mu.Lock()
		c.timer = nil
		c.mu.Unlock()
		rouse(c.C)
	})
	c.wait = min(max(2*c.wait, minCorrection), maxCorrection)
}

// stop ends what heard began.
func (c *contradiction) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}
