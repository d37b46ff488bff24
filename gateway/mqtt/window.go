package mqtt

import (
	"sync"
	"time"
)

// window bounds what is on the way to the broker of states at QoS 0, which the broker
// does not acknowledge: were there no bound, a slow broker would get values that are
// older by all that the buffers of two kernels hold. A PINGREQ among the states is
// answered when the broker has come so far [MQTT-3.12.4-1]. Where that takes long,
// less is sent ahead.
type window struct {
	mu     sync.Mutex
	eased  func() // called when it may have opened
	limit  int    // bytes ahead of the answers
	sent   int
	asked  int // sent, when it was asked last
	known  int // to have arrived, of what was sent
	probes []probe
	full   bool // sending had to wait since the last answer
	pace   pace
	stream stream
}

// probe is a PINGREQ that was not answered yet.
type probe struct {
	sent int // before it
	at   time.Time
}

const (
	leastAhead = 2 << 10 // also at first: the first answer tells how long the way is
	mostAhead  = 64 << 10
	askEach    = 2 // times in one window
)

// pace tells from how long answers take how much may be on its way.
type pace struct {
	least  time.Duration // that an answer took: the way itself; 0 = not known
	slowed time.Time     // when it was found to be too much
}

// An answer that takes so much longer than the way itself has waited in a queue, or not.
const (
	slowAnswer  = 250 * time.Millisecond
	quickAnswer = 50 * time.Millisecond
)

// next returns how much may be on its way after the answer to what was sent at a
// time; full says that more would have been sent.
func (p *pace) next(limit int, sent, now time.Time, full bool) int {
	took := max(1, now.Sub(sent))
	if p.least == 0 || took < p.least {
		p.least = took
	}
	switch {
	case took > p.least+slowAnswer && !sent.Before(p.slowed):
		p.slowed = now // what was sent before that says nothing new
		return limit / 2
	case took < p.least+quickAnswer && full:
		return 2 * limit
	}
	return limit
}

var pingRequest = []byte{0xC0, 0}

// isOpen reports whether states may be sent.
func (w *window) isOpen() bool { return w.room() > 0 }

// room returns how many bytes may be sent; one packet may be longer.
func (w *window) room() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	room := w.limit - (w.sent - w.known)
	w.full = w.full || room <= 0
	return room
}

// sending takes note of packets that are about to be sent, and appends a PINGREQ if it
// is time for one.
func (w *window) sending(packets []byte, now time.Time) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent += len(packets)
	if w.sent-w.asked < w.limit/askEach {
		return packets
	}
	w.asked = w.sent
	w.probes = append(w.probes, probe{w.sent, now})
	return append(packets, pingRequest...)
}

// received looks for PINGRESP packets in what came. Those that a library asked for
// count, too: they open the window too early by what was sent between the two.
func (w *window) received(b []byte, now time.Time) {
	answers := w.stream.count(b, 0xD0)
	if answers == 0 {
		return
	}
	w.mu.Lock()
	for ; answers > 0 && len(w.probes) > 0; answers-- {
		w.answered(now)
	}
	eased := w.eased
	w.mu.Unlock()
	if eased != nil {
		eased()
	}
}

// tell has eased called when the window may have opened.
func (w *window) tell(eased func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.eased = eased
}

// answered takes the oldest answer. It is called with w.mu held.
func (w *window) answered(now time.Time) {
	p := w.probes[0]
	w.probes = w.probes[:copy(w.probes, w.probes[1:])]
	w.known = p.sent
	if len(w.probes) == 0 { // what was sent after it is little, and nothing else would open the window
		w.known = w.sent
	}
	w.limit = w.pace.next(w.limit, p.at, now, w.full)
	w.limit = min(max(leastAhead, w.limit), mostAhead)
	w.full = false
}

// stream finds where its packets begin.
type stream struct {
	rest   int  // bytes of the present packet that are still to come
	length int  // of it, as far as its digits came
	shift  int  // of the next digit
	inside bool // the digits of a length are next
}

// count returns how many packets begin in b with a given byte.
func (p *stream) count(b []byte, first byte) (n int) {
	for len(b) > 0 {
		if p.rest > 0 {
			skip := min(p.rest, len(b))
			p.rest -= skip
			b = b[skip:]
			continue
		}
		switch c := b[0]; {
		case !p.inside:
			p.inside, p.length, p.shift = true, 0, 0
			if c == first {
				n++
			}
		case c&0x80 != 0 && p.shift < 21: // a digit of the length, and more to come [MQTT 2.2.3]
			p.length |= int(c&0x7F) << p.shift
			p.shift += 7
		default:
			p.rest, p.inside = p.length|int(c&0x7F)<<p.shift, false
		}
		b = b[1:]
	}
	return n
}
