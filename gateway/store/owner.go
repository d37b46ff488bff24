package store

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	closeTimeout = 5 * time.Second // for the last transaction
	warnEvery    = time.Minute     // between two warnings, with something better between them
)

// Owner is how the goroutine that owns a file is ended, and waited for.
type Owner struct {
	stop, done chan struct{}
	once       sync.Once
}

// NewOwner returns an owner that is not to end yet.
func NewOwner() *Owner { return &Owner{stop: make(chan struct{}), done: make(chan struct{})} }

// Stop is closed when the goroutine is to write what is left and to end.
func (o *Owner) Stop() <-chan struct{} { return o.stop }

// Ended is the last thing that the goroutine does.
func (o *Owner) Ended() { close(o.done) }

// Done is closed when the goroutine has ended.
func (o *Owner) Done() <-chan struct{} { return o.done }

// Close asks the goroutine to end, and waits for it, but not longer than 5 s: a disk
// may hang. It may be called more than once.
func (o *Owner) Close() error {
	o.once.Do(func() { close(o.stop) })
	deadline := time.NewTimer(closeTimeout)
	defer deadline.Stop()
	select {
	case <-o.done:
		return nil
	case <-deadline.C:
		return fmt.Errorf("the disk did not answer within %v", closeTimeout)
	}
}

// Notice tells the log of the first transaction that failed and of the first that is
// good again, but not of every change of a disk that is nearly full.
type Notice struct {
	Log   *slog.Logger
	Path  string
	Fails string // what the log says of the first failure
	Works string // and when it works again

	told   bool // the log says last that it fails
	warned time.Time
}

// Note notes the result of an attempt.
func (n *Notice) Note(err error) {
	switch {
	case err != nil && !n.told && (n.warned.IsZero() || time.Since(n.warned) >= warnEvery):
		n.told, n.warned = true, time.Now()
		n.Log.Warn(n.Fails, "path", n.Path, "error", err)
	case err == nil && n.told:
		n.told = false
		n.Log.Info(n.Works, "path", n.Path)
	}
}
