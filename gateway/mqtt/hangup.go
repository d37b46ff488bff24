package mqtt

import (
	"io"
	"time"
)

// How a wire ends.

// note keeps the reason why nothing more can be sent.
func (w *wire) note(err error) {
	w.mu.Lock()
	if w.err == nil {
		w.err = err
	}
	w.mu.Unlock()
	rouse(w.wake)
	rouse(w.room)
	rouse(w.eased)
}

// fail ends the connection because of err.
func (w *wire) fail(err error) {
	w.note(err)
	_ = w.tcp.Close() // ends what runs in the sender and in Read
}

// hearOut gives Read time to come to the end of what the broker said before it left:
// an alert of TLS has the reason.
func (w *wire) hearOut() {
	limit := time.NewTimer(linger)
	defer limit.Stop()
	for {
		select {
		case <-limit.C:
			return
		case <-w.wake:
		}
		w.mu.Lock()
		closing := w.closing
		w.mu.Unlock()
		if closing {
			return
		}
	}
}

// hangUp ends the connection: in order, if it is whole.
func (w *wire) hangUp() {
	w.mu.Lock()
	whole := w.err == nil
	w.mu.Unlock()
	if whole {
		w.part()
	}
	_ = w.tcp.Close()
	_ = w.conn.Close()
}

// part says goodbye and waits a little for the broker to end its side. Closing with
// bytes unread would make the system reset the connection, and a reset may overtake
// what was sent last.
func (w *wire) part() {
	limit := time.AfterFunc(linger, w.tcp.abort)
	defer limit.Stop()
	if w.leave != nil {
		w.leave()
		return
	}
	if secured, ok := w.conn.(interface{ CloseWrite() error }); ok && secured.CloseWrite() != nil {
		return
	}
	if w.tcp.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, w.tcp)
	}
}

// Close sends what waits, for a second at most, and ends the connection.
func (w *wire) Close() error {
	w.mu.Lock()
	if !w.closing {
		w.closing = true
		_ = w.tcp.SetWriteDeadline(time.Now().Add(lastFlush))
	}
	w.mu.Unlock()
	rouse(w.wake)
	rouse(w.room)
	rouse(w.eased)
	<-w.sent
	return nil
}
