package poll

import (
	"bytes"
	"cmp"
	"math"
	"reflect"
	"time"

	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// staleAfter is how many of its intervals a value stays good.
const staleAfter = 2

// reading is what is known of one reading: the last value the device gave, and what
// was published last.
type reading struct {
	quality     message.Quality // "" = nothing is known yet
	time        time.Time       // when the device gave the last value; while nothing is known, since when it is waited for
	data        []byte          // of the last value, as the device sent it
	small       [8]byte         // for it
	shown       message.Quality // what was published last; "" = nothing yet
	published   time.Time
	every       time.Duration
	heartbeat   time.Duration
	minInterval time.Duration
	decoder     *register.Decoder
	send        func(payload []byte, at time.Time)
	isUndecoded bool // the value is of no interest, but for its text
	isPlain     bool // likewise, and other data is another value
	moved       bool // if isUndecoded: the value is another one than that published last
	held        bool // there is something to publish that came too early after the last publication
	unit        byte
	payload     string
	span        modbus.Span
	tail        message.Tail

	// What is seldom needed is apart, so that thousands of readings find their place in
	// the processor's memory.
	*profile.Reading
	computed *computed // nil = the device has it
	*content           // nil if isPlain: then all is in data
}

// content is the last value.
type content struct {
	text       []byte         // if isUndecoded: as JSON
	value      register.Value // null if it is only in data
	shownValue register.Value
}

// begin makes r the reading of a device, of which nothing is known.
func (r *reading) begin(c *profile.Reading, d config.Device) {
	*r = reading{
		Reading: c, every: d.EveryOf(c), heartbeat: max(d.HeartbeatOf(c), c.MinInterval),
		minInterval: c.MinInterval, payload: cmp.Or(d.Payload, "json"), unit: d.Unit, tail: message.NewTail(c.Unit),
	}
	r.data = r.small[:0]
	if isRead(*c) {
		r.span, r.decoder = r.Span(), r.Decoder()
		isBlock := r.IsBlock() && !r.Table.IsBits()
		r.isUndecoded = (isBlock || r.IsNumber()) && r.Deadband == (profile.Deadband{}) && r.MinInterval == 0 && !r.isFrame()
		r.isPlain = r.isUndecoded && isPlain(r.Field)
	}
	if !r.isPlain {
		r.content = &content{}
	}
}

// isPlain reports whether every content of a field is a value, and each another one.
func isPlain(f register.Field) bool {
	return !f.IsBlock() && f.Type >= register.Int16 && f.Type <= register.Uint64 && f.IsNumber() &&
		f.Width == 0 && f.Decimals == register.Auto && len(f.NoData) == 0
}

// share has a reading use the decoder of another one, if both are written the same way.
func (r *reading) share(other *reading) {
	if other == nil || r.decoder == nil || other.decoder == nil {
		return
	}
	if r.Unit == other.Unit {
		r.tail = other.tail
	}
	a, b := r.Field, other.Field
	if a.Address, b.Address = 0, 0; reflect.DeepEqual(a, b) {
		r.decoder = other.decoder
	}
}

// sampled takes the data of a good reply and reports whether there is something to publish.
func (r *reading) sampled(data []byte, now time.Time) bool {
	if r.quality == message.Good && bytes.Equal(data, r.data) {
		r.time = now
		return r.isFreshDue(now)
	}
	var err error
	if r.isUndecoded {
		err = r.write(data)
	} else {
		err = r.decode(data)
	}
	if err != nil { // no value here: a sentinel, or data of another size
		return r.failed(now)
	}
	r.data = append(r.data[:0], data...)
	r.quality, r.time = message.Good, now
	return r.isFreshDue(now)
}

func (r *reading) decode(data []byte) error {
	value, err := r.decoder.Decode(data)
	if err == nil {
		r.value = value
	}
	return err
}

// write puts the value into text, and takes note of whether it is another one.
func (r *reading) write(data []byte) error {
	if r.isPlain {
		r.moved = true
		return nil
	}
	r.value = register.Value{}
	n := len(r.text)
	text, err := r.decoder.AppendJSON(r.text, data) // behind the last one
	if err != nil {
		return err
	}
	r.moved = r.moved || !bytes.Equal(text[:n], text[n:])
	r.text = text[:copy(text, text[n:])]
	return nil
}

// sample returns what is known.
func (r *reading) sample() message.Sample {
	return message.Sample{Value: r.known(), Unit: r.Unit, Quality: r.quality, Time: r.time}
}

// known returns the last value.
func (r *reading) known() (v register.Value) {
	switch {
	case r.isPlain && len(r.data) > 0:
		v, _ = r.decoder.Decode(r.data) // every content is a value
	case r.isPlain:
	case r.isUndecoded && r.value.IsNull() && len(r.data) > 0:
		_ = r.decode(r.data) // it was written as text
		v = r.value
	default:
		v = r.value
	}
	return v
}

// failed keeps the last value and marks it as no longer fresh.
func (r *reading) failed(now time.Time) bool {
	switch r.quality {
	case "":
		r.quality, r.time = message.Bad, now
	case message.Good:
		r.quality = message.Stale
	}
	return r.isDue(now)
}

// late does what is to be done when nothing came for too long, or it is time to
// publish. It reports whether there is something to publish.
func (r *reading) late(now time.Time) bool {
	if left, ends := r.fresh(now); ends && left <= 0 {
		return r.failed(now)
	}
	return r.isDue(now)
}

// isFreshDue is isDue for a value that has just come.
func (r *reading) isFreshDue(now time.Time) bool {
	return r.isDue(now) || !r.held && r.heartbeatIsNear(now)
}

// isDue reports whether what is known is to be published now: a quality that changed
// at once, a value that did when min_interval has passed, and anything when its heartbeat is due.
func (r *reading) isDue(now time.Time) bool {
	r.held = false
	switch {
	case r.quality == "":
		return false
	case r.quality != r.shown, now.Sub(r.published) >= r.heartbeat:
		return true
	case !r.changed():
		return false
	}
	r.held = r.minInterval > 0 && now.Sub(r.published) < r.minInterval
	return !r.held
}

// heartbeatIsNear reports whether the heartbeat is due before half an interval has
// passed: then a fresh value is published rather than soon an older one.
func (r *reading) heartbeatIsNear(now time.Time) bool {
	since := now.Sub(r.published)
	return r.heartbeat-since < min(r.every, r.heartbeat)/2 && since >= r.minInterval
}

// changed reports whether the value differs from the one published by its deadband or more.
func (r *reading) changed() bool {
	switch {
	case r.quality != message.Good:
		return false
	case r.isUndecoded:
		return r.moved
	}
	return isBeyond(r.Deadband, r.shownValue, r.value)
}

// wait returns how long [reading.late] has nothing to do; never = not before a reply comes.
func (r *reading) wait(now time.Time) time.Duration {
	wait := never
	if r.shown != "" {
		since := now.Sub(r.published)
		wait = r.heartbeat - since
		if r.held {
			wait = min(wait, r.minInterval-since)
		}
	}
	if left, ends := r.fresh(now); ends {
		wait = min(wait, left)
	}
	return wait
}

const never = time.Duration(math.MaxInt64)

// fresh returns how long a value is still fresh. One that is computed is as fresh as
// its inputs.
func (r *reading) fresh(now time.Time) (left time.Duration, ends bool) {
	return staleAfter*r.every - now.Sub(r.time), r.computed == nil && (r.quality == "" || r.quality == message.Good)
}
