package transport

import (
	"time"

	"modferry/modbus"
)

// Timing is how fast a line is. The zero value is for bytes that come over a
// network: gaps between them mean nothing, and no answer may mean a dead connection.
type Timing struct {
	Char    time.Duration // one character on the wire
	Silence time.Duration // t3.5: what separates two RTU frames
	Gap     time.Duration // silence before an RTU request; 0 = Silence
}

// timing returns the timing of a serial line; bits are those of a whole character,
// start, parity and stop bits included.
//
// There is no t1.5. The standard lets a receiver drop a frame with a longer gap
// inside [Serial 2.5.1.1], but USB adapters and converters make such gaps in good
// frames, and what the gap would tell, the length and the CRC tell as well.
func timing(baud, bits int) Timing {
	char, silence := modbus.SerialTiming(baud, bits)
	return Timing{Char: char, Silence: silence}
}

func (t Timing) network() bool { return t == Timing{} }

// gap is the silence before an RTU request.
func (t Timing) gap() time.Duration {
	if t.Gap > 0 {
		return t.Gap
	}
	return t.Silence
}

// rest is what a line needs before its next request.
type rest struct {
	notBefore time.Time     // the configured delay, or the turnaround of a broadcast
	sent      time.Time     // when the last byte of the last request is on the wire
	expired   time.Time     // when a reply was given up
	quiet     time.Duration // silence needed after that, as the reply may still come
	drained   time.Time     // the line counts as drained then, silent or not
}

// giveUp notes that a reply was not waited for any longer: after one more timeout
// of silence it will not come any more; a line that is never silent gets two, and the
// time that the reply takes on it.
func (r *rest) giveUp(now time.Time, timeout, reply time.Duration) {
	r.expired, r.quiet, r.drained = now, timeout, now.Add(2*timeout+reply)
}

// settled notes that the line was silent for as long as it had to be: what comes
// from now on is of the next request, and ends no silence.
func (r *rest) settled() { r.quiet, r.drained = 0, time.Time{} }

// over returns when the line is ready, if nothing is received after last.
func (r *rest) over(last time.Time, gap time.Duration) time.Time {
	drained := later(r.expired, last).Add(r.quiet)
	if drained.After(r.drained) {
		drained = r.drained
	}
	return later(r.notBefore, drained, later(last, r.sent).Add(gap))
}

func later(t time.Time, others ...time.Time) time.Time {
	for _, o := range others {
		if o.After(t) {
			t = o
		}
	}
	return t
}

// stoppedTimer returns a timer for later use; Reset and Stop leave no stale tick behind.
func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}
