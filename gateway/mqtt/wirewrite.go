package mqtt

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"
)

// Write adds to what waits to be sent. With the buffer full it waits for room, until
// the write deadline.
func (w *wire) Write(p []byte) (n int, err error) {
	w.turn.Lock()
	defer w.turn.Unlock()
	defer w.ease(false)
	for {
		added, deadline, err := w.add(p[n:])
		n += added
		if n == len(p) {
			return n, nil
		}
		w.ease(true)
		if err == nil && w.awaitRoom(deadline) {
			continue
		}
		if err == nil {
			err = os.ErrDeadlineExceeded
		}
		if n > 0 { // the rest is missing, so that nothing can follow
			w.fail(fmt.Errorf("cannot send: %w", err))
		}
		return n, err
	}
}

// ease takes note of whether a Write waits.
func (w *wire) ease(blocked bool) {
	w.mu.Lock()
	changed := w.blocked != blocked
	w.blocked = blocked
	w.mu.Unlock()
	if changed {
		rouse(w.eased)
	}
}

// calm waits until a Write would not have to wait. One goroutine calls it.
func (w *wire) calm(ctx context.Context) error {
	for {
		w.mu.Lock()
		free, over := !w.blocked && len(w.pending) < maxPending, w.closing || w.err != nil
		w.mu.Unlock()
		switch {
		case over:
			return net.ErrClosed
		case free:
			return nil
		}
		select {
		case <-w.eased:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// add puts as much of p into the buffer as there is room for.
func (w *wire) add(p []byte) (n int, deadline time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err != nil:
		return 0, deadline, w.err
	case w.closing:
		return 0, deadline, net.ErrClosed
	case !w.deadline.IsZero() && !time.Now().Before(w.deadline):
		return 0, deadline, os.ErrDeadlineExceeded
	}
	n = min(len(p), maxPending-len(w.pending))
	w.pending = append(w.pending, p[:n]...)
	if w.ready() {
		rouse(w.wake)
	}
	return n, w.deadline, nil
}

// ready reports whether there is something that the sender should send now.
func (w *wire) ready() bool {
	return len(w.pending) > 0 && (w.whole || w.closing || len(w.pending) == maxPending)
}

// awaitRoom waits until there may be room again, and reports whether that was before the deadline.
func (w *wire) awaitRoom(deadline time.Time) bool {
	var expired <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-w.room:
		return true
	case <-expired:
		return false
	}
}

// Lock announces a packet that is written in parts; what is written until Unlock is
// sent together. Package packets of paho.golang looks for it.
func (w *wire) Lock() {
	w.packet.Lock()
	w.mu.Lock()
	w.whole = false
	w.mu.Unlock()
}

// Unlock ends the packet that Lock began.
func (w *wire) Unlock() {
	w.mu.Lock()
	w.whole = true
	if w.ready() {
		rouse(w.wake)
	}
	w.mu.Unlock()
	w.packet.Unlock()
}

// send sends what is written until the wire is closed or broken, and ends the connection.
func (w *wire) send() {
	defer close(w.sent)
	var out []byte
	for {
		var more bool
		if out, more = w.take(out[:0]); !more {
			break
		}
		if _, err := w.conn.Write(out); err != nil {
			w.note(dialError(err))
			w.hearOut()
			break
		}
	}
	w.hangUp()
}

// take waits for something to send and returns all of it; spare is used for what comes next.
func (w *wire) take(spare []byte) (out []byte, more bool) {
	for {
		w.mu.Lock()
		if w.err != nil || w.closing && len(w.pending) == 0 {
			w.mu.Unlock()
			return spare, false
		}
		if w.ready() {
			out, w.pending = w.pending, spare
			w.mu.Unlock()
			rouse(w.room)
			rouse(w.eased)
			return out, true
		}
		w.mu.Unlock()
		<-w.wake
	}
}
