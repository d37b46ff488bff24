package poll

import (
	"cmp"
	"encoding/hex"
	"time"

	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/profile"
)

// staleAfter is how many of its intervals a value stays good.
const staleAfter = 2

// reading is what is known of one reading: the last value the device gave, and what
// was published last.
type reading struct {
	profile.Reading
	every     time.Duration
	heartbeat time.Duration
	payload   string
	unit      byte
	computed  *computed // nil = the device has it

	last  message.Sample // its Quality "" = nothing is known yet
	data  []byte         // of the last value, as the device sent it
	begun time.Time      // since when it is waited for

	shown     message.Sample // what was published last; its Quality "" = nothing yet
	published time.Time
	held      bool // there is something to publish that came too early after that
}

func newReading(r profile.Reading, d config.Device) *reading {
	return &reading{
		Reading: r, every: cmp.Or(r.Every, d.Every), heartbeat: cmp.Or(r.Heartbeat, d.Heartbeat), payload: d.Payload, unit: d.Unit,
	}
}

// sampled takes the data of a good reply and reports whether there is something to publish.
func (r *reading) sampled(data []byte, now time.Time) bool {
	value, err := r.Decode(data)
	if err != nil { // no value here: a sentinel, or data of another size
		return r.failed(now)
	}
	if r.isFrame() {
		r.data = append(r.data[:0], data...)
	}
	return r.know(message.Sample{Value: value, Unit: r.Unit, Quality: message.Good, Time: now}, now)
}

// failed keeps the last value and marks it as no longer fresh.
func (r *reading) failed(now time.Time) bool {
	switch r.last.Quality {
	case "":
		return r.know(message.Sample{Unit: r.Unit, Quality: message.Bad, Time: now}, now)
	case message.Good:
		r.last.Quality = message.Stale
	}
	return r.isDue(now)
}

// late does what is to be done when nothing came for too long, or it is time to
// publish. It reports whether there is something to publish.
func (r *reading) late(now time.Time) bool {
	if end, ends := r.goodUntil(); ends && !now.Before(end) {
		return r.failed(now)
	}
	return r.isDue(now)
}

func (r *reading) know(s message.Sample, now time.Time) bool {
	r.last = s
	return r.isDue(now) || !r.held && r.heartbeatIsNear(now)
}

// isDue reports whether what is known is to be published now: a quality that changed
// at once, a value that did when min_interval has passed, and anything when its heartbeat is due.
func (r *reading) isDue(now time.Time) bool {
	r.held = false
	switch {
	case r.last.Quality == "":
		return false
	case r.last.Quality != r.shown.Quality, !now.Before(r.published.Add(r.heartbeat)):
		return true
	case !r.changed():
		return false
	}
	r.held = now.Before(r.published.Add(r.MinInterval))
	return !r.held
}

// heartbeatIsNear reports whether the heartbeat is due before half an interval has
// passed: then a fresh value is published rather than soon an older one.
func (r *reading) heartbeatIsNear(now time.Time) bool {
	return r.published.Add(r.heartbeat).Sub(now) < min(r.every, r.heartbeat)/2 && !now.Before(r.published.Add(r.MinInterval))
}

// changed reports whether the value differs from the one published by its deadband or more.
func (r *reading) changed() bool {
	return r.last.Quality == message.Good && isBeyond(r.Deadband, r.shown.Value, r.last.Value)
}

// next returns when [reading.late] has something to do; zero = not before a reply comes.
func (r *reading) next() time.Time {
	var next time.Time
	if r.shown.Quality != "" {
		next = r.published.Add(r.heartbeat)
		if r.held {
			next = earlier(next, r.published.Add(r.MinInterval))
		}
	}
	if end, ends := r.goodUntil(); ends {
		next = earlier(next, end)
	}
	return next
}

// goodUntil returns when a value is no longer fresh. One that is computed is as fresh
// as its inputs.
func (r *reading) goodUntil() (end time.Time, ends bool) {
	since := r.last.Time
	if r.last.Quality == "" {
		since = r.begun
	}
	return since.Add(staleAfter * r.every), r.computed == nil && (r.last.Quality == "" || r.last.Quality == message.Good)
}

// earlier returns the earlier of two times; zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// show takes note of the publication and returns its payload. It is nil where the
// form of the payload cannot say what is to be said.
func (r *reading) show(now time.Time) []byte {
	r.shown, r.published, r.held = r.last, now, false
	switch {
	case r.payload == "json" || r.payload == "":
		return r.last.JSON()
	case r.last.Quality != message.Good:
		return nil // the value of before would look like a new one
	case r.isFrame():
		return r.frame()
	}
	return r.last.Value.AppendText(nil)
}

// isFrame reports whether it is published as a frame. What is computed has none.
func (r *reading) isFrame() bool {
	return (r.payload == "hex" || r.payload == "binary") && r.computed == nil
}

// frame is the device's reply to a read of just this reading, as an app that reads
// frames expects it.
func (r *reading) frame() []byte {
	pdu := modbus.PDU{FunctionCode: function(r.Table), Data: append([]byte{byte(len(r.data))}, r.data...)}
	frame := modbus.AppendRTU(nil, modbus.ADU{Unit: r.unit, PDU: pdu})
	if r.payload == "binary" {
		return frame
	}
	text := hex.AppendEncode(make([]byte, 0, 2*len(frame)), frame)
	for i, c := range text {
		if c >= 'a' {
			text[i] = c - 'a' + 'A'
		}
	}
	return text
}
