package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"modferry/modbus"
)

// transaction is one call to a Stream, from when it has its turn.
type transaction struct {
	*Stream
	limit
	probing probing
}

func (s *Stream) begin(ctx context.Context) (*transaction, error) {
	t := &transaction{Stream: s, limit: newLimit(ctx, s.life, s.o.Timeout)}
	_, err := acquire(&t.limit, s.turn)
	return t, err
}

// write opens the line if needed, waits until it is ready and writes the frame. A
// line that turns out to be dead before a byte left is opened again, once.
func (t *transaction) write(adu []byte) error {
	for first := true; ; first = false {
		if err := t.open(); err != nil {
			return err
		}
		if err := t.settle(); err != nil {
			return err
		}
		n, err := t.put(adu)
		if err == nil {
			return nil
		}
		t.link.close(err)
		err = t.link.dead() // which is why the reader closed it, if that came first
		if n > 0 {
			t.rest.giveUp(time.Now(), min(t.timeout, t.o.Timeout), 0)
		}
		if n > 0 || !first || errors.Is(err, os.ErrDeadlineExceeded) {
			return &Error{Kind: Unavailable, Sent: n > 0, Err: fmt.Errorf("cannot write to the line: %w", err)}
		}
	}
}

// open makes sure that there is a link that is not known to be dead.
func (t *transaction) open() error {
	if t.link != nil && t.link.dead() == nil {
		return nil
	}
	t.judge()
	if err := t.backoff.refuse(time.Now()); err != nil {
		return &Error{Kind: Unavailable, Err: err}
	}
	ctx, cancel := t.dialContext()
	defer cancel()
	port, err := t.o.Open(ctx)
	if err != nil {
		return t.notOpened(err, &t.backoff)
	}
	t.link = newLink(port)
	t.readers.Go(t.link.read)
	t.rest.notBefore = later(t.rest.notBefore, time.Now().Add(t.o.Delay))
	return nil
}

// settle waits until the line is ready for a frame and discards what comes
// meanwhile. The response timeout does not run. A line that is lost is ready: the
// write will tell.
func (t *transaction) settle() error {
	start := time.Now()
	t.own = true
	tooLong := later(start, t.rest.notBefore, t.rest.drained).Add(t.timeout)
	for {
		var last time.Time
		var dead error
		t.window, last, dead = t.link.take(t.window[:0])
		t.probing.keep(t.window)
		now, ready := time.Now(), t.rest.over(last, t.gap())
		if t.probing.on {
			ready = t.rest.ready(last, t.gap())
		}
		if dead != nil || !ready.After(now) {
			if dead == nil && !t.probing.on { // a new link will have to be silent instead
				t.rest.settled()
			}
			t.move(now.Sub(start))
			return nil
		}
		if now.After(tooLong) {
			return &Error{Kind: Timeout, Err: errNeverQuiet}
		}
		if exact, ok := t.link.port.(exactSleeper); ok && ready.Sub(now) <= longestExactSleep {
			exact.sleepExactly(ready.Sub(now))
			continue
		}
		if err := t.sleep(ready); err != nil {
			return err
		}
	}
}

func (t *transaction) put(adu []byte) (int, error) {
	if err := t.link.dead(); err != nil {
		return 0, err
	}
	if err := t.link.port.Flush(); err != nil {
		return 0, err
	}
	onWire := t.onWire(len(adu))
	if err := t.link.port.SetWriteDeadline(time.Now().Add(onWire + writeAllowance)); err != nil {
		return 0, err
	}
	n, err := t.link.port.Write(adu)
	t.rest.sent = time.Now().Add(onWire)
	return n, err
}

// onWire returns how long so many characters are on the line; 0 over a network.
func (t *transaction) onWire(characters int) time.Duration {
	return time.Duration(characters) * t.link.timing.Char
}

// turnaround gives the devices time for a broadcast, which nobody answers
// [Serial 2.4.1]. Who cannot wait leaves the rest of it to the next request.
func (t *transaction) turnaround() {
	t.rest.notBefore = t.rest.sent.Add(max(t.o.Turnaround, t.o.Delay))
	for time.Now().Before(t.rest.notBefore) {
		if t.sleep(t.rest.notBefore) != nil {
			return
		}
		t.window, _, _ = t.link.take(t.window[:0])
	}
}

// await waits for the reply to what was written and notes what the line needs after it.
func (t *transaction) await(adu []byte, request modbus.ADU) ([]byte, error) {
	w := &wait{transaction: t, unit: request.Unit, finder: t.finder(request), before: t.link.count()}
	if t.o.Echo {
		w.echo = adu
	}
	coming := t.onWire(t.o.Framing.Size(modbus.LongestReply(request.PDU)))
	t.move(t.onWire(len(adu)) + coming)
	if t.probing.on {
		t.probing.limit = t.end.Add(straggle)
		t.end = t.end.Add(-coming)
	}
	reply, err := w.run()
	now := time.Now()
	t.rest.notBefore = now.Add(t.o.Delay)
	switch {
	case err == nil:
		// It cannot have begun before the request was on the wire, whatever was computed.
		t.rest.sent = time.Time{}
		return reply, nil
	case now.Before(t.end): // lost, closed or cancelled
		t.rest.giveUp(now, min(t.timeout, t.o.Timeout), coming)
	default:
		t.rest.giveUp(now, t.timeout, coming)
		if t.link.givenUp(w.before, t.rest.sent) {
			t.link.close(errNoAnswer)
		}
	}
	return nil, err
}

// sleep waits until then, or until something was received. An error says that the
// call has to end before its end.
func (t *transaction) sleep(then time.Time) error {
	t.clock.Reset(time.Until(then))
	defer t.clock.Stop()
	select {
	case <-t.clock.C:
	case <-t.link.arrived:
	case <-t.limit.life.Done():
		return t.ended()
	case <-t.cancelled():
		return t.ended() // none if it was the deadline, and that is not the end any more
	}
	return nil
}

// wait is the part of a transaction after its request was written.
type wait struct {
	*transaction
	unit   byte
	finder finder
	echo   []byte // still to come, nil if none
	echoed uint64 // bytes of it that came
	before uint64 // bytes the link had received

	spoiled bool // a reply came but for its check code
}

func (w *wait) run() ([]byte, error) {
	w.window = w.window[:0]
	for {
		var last time.Time
		var dead error
		w.window, last, dead = w.link.take(w.window)
		now := time.Now()
		over := dead != nil || !now.Before(w.end)
		reply, again := w.look(now.Sub(last))
		if over && reply == nil && dead == nil && w.goesOn(last) {
			continue
		}
		cut := over && reply == nil && w.isComing(now.Sub(last))
		if over && reply == nil {
			reply, _ = w.look(forever)
		}
		if reply == nil && (over || dead != nil) {
			w.probing.keep(w.window)
		}
		switch {
		case reply != nil:
			return reply, nil
		case dead != nil:
			return nil, &Error{Kind: Unavailable, Sent: true, Err: fmt.Errorf("the line was lost while the reply was waited for: %w", dead)}
		case cut:
			return nil, &Error{Kind: Timeout, Sent: true, Cut: true, Err: w.cutOff()}
		case over:
			return nil, &Error{Kind: Timeout, Sent: true, Err: w.silence()}
		}
		wake := w.end
		if look := last.Add(again); again > 0 && look.Before(wake) {
			wake = look
		}
		if err := w.sleep(wake); err != nil {
			return nil, afterSending(err)
		}
	}
}

// look returns the reply if the window has it, in memory of its own, and otherwise
// after how much silence to look again.
func (w *wait) look(silence time.Duration) (reply []byte, again time.Duration) {
	if !w.cutEcho() {
		return nil, 0
	}
	reply, drop, again := w.finder.find(w.window, silence)
	if reply != nil {
		before, _, _ := bytes.Cut(w.window, reply)
		w.probing.keep(before)
		return bytes.Clone(reply), 0
	}
	w.spoiled = w.spoiled || drop > 0 && w.finder.spoiled(w.window)
	w.probing.keep(w.window[:drop])
	w.window = w.window[:copy(w.window, w.window[drop:])]
	return nil, again
}

// isComing reports whether a reply has begun that may still go on.
func (w *wait) isComing(silence time.Duration) bool {
	return w.echo == nil && silence < max(straggle, w.onWire(4)) && w.finder.begins(w.window)
}

// cutEcho reports whether the echo has passed. Before it, nothing is a reply: a
// device that is dead, or an echo that noise spoiled, is a timeout and no success,
// although the echo of some functions looks like their reply.
func (w *wait) cutEcho() bool {
	if w.echo == nil {
		return true
	}
	at := bytes.Index(w.window, w.echo)
	if at < 0 {
		if keep := len(w.echo) - 1; len(w.window) > keep {
			w.window = w.window[:copy(w.window, w.window[len(w.window)-keep:])]
		}
		return false
	}
	w.window = w.window[:copy(w.window, w.window[at+len(w.echo):])]
	w.echoed, w.echo = uint64(len(w.echo)), nil
	return true
}

// cutOff says that the reply was still coming.
func (w *wait) cutOff() error {
	besides := ""
	if !w.link.timing.network() {
		besides = " and the time that request and reply take on the line"
	}
	return fmt.Errorf("the reply of unit %d was cut off: it was still coming after the timeout of %v%s; set a longer timeout", w.unit, w.timeout.Round(time.Millisecond), besides)
}

// silence says why there is no reply.
func (w *wait) silence() error {
	waited := w.timeout.Round(time.Millisecond)
	switch other := w.link.count() - w.before - w.echoed; {
	case w.echo != nil && other > 0:
		return fmt.Errorf("the line did not echo the request within %v as it is configured to: check the wiring, or turn the echo option off", waited)
	case w.echo == nil && (w.spoiled || w.finder.spoiled(w.window)):
		return fmt.Errorf("unit %d did not answer well within %v; a reply with a wrong check code came: check wiring and termination for noise, and whether two devices have this unit id", w.unit, waited)
	case w.echo == nil && other > 0:
		return fmt.Errorf("unit %d did not answer within %v; %d bytes came that are no reply of it: check baud rate, parity and unit ids", w.unit, waited, other)
	}
	return fmt.Errorf("unit %d did not answer within %v: check power, wiring, unit id, baud rate and parity", w.unit, waited)
}
