package poll

import (
	"fmt"
	"math"
	"time"

	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// reading is what is known of one reading: the last value the device gave, and what
// was published last.
type reading struct {
	profile.Reading
	heartbeat time.Duration
	payload   string
	unit      byte

	last      message.Sample
	data      []byte // of last, as the device sent it
	published time.Time
	shown     message.Sample // what was published last; its Quality "" = nothing yet
}

// sampled takes the data of a good reply and returns the payload to publish, nil
// if there is nothing new.
func (r *reading) sampled(data []byte, now time.Time) []byte {
	value, err := r.Decode(data)
	if err != nil { // no value here: a sentinel, or data of another size
		return r.failed(now)
	}
	r.last = message.Sample{Value: value, Unit: r.Unit, Quality: message.Good, Time: now}
	r.data = append(r.data[:0], data...)
	return r.show(now)
}

// failed keeps the last value and marks it as no longer fresh.
func (r *reading) failed(now time.Time) []byte {
	switch r.last.Quality {
	case "":
		r.last = message.Sample{Unit: r.Unit, Quality: message.Bad, Time: now}
	case message.Good:
		r.last.Quality = message.Stale
	}
	return r.show(now)
}

func (r *reading) current() message.Sample { return r.last }

// show returns the payload if the reading changed or its heartbeat is due.
func (r *reading) show(now time.Time) []byte {
	if !r.changed() && now.Sub(r.published) < r.heartbeat {
		return nil
	}
	r.shown, r.published = r.last, now
	switch r.payload {
	case "value":
		if r.last.Quality == message.Bad {
			return nil // a bare number cannot say that there is none
		}
		return r.last.Value.AppendText(nil)
	case "hex", "binary":
		return r.frame()
	}
	return r.last.JSON()
}

// frame is the device's reply to a read of just this reading, as an app that reads
// frames expects it; nothing while the device never gave one.
func (r *reading) frame() []byte {
	if r.data == nil {
		return nil
	}
	pdu := modbus.PDU{FunctionCode: function(r.Table), Data: append([]byte{byte(len(r.data))}, r.data...)}
	frame := modbus.AppendRTU(nil, modbus.ADU{Unit: r.unit, PDU: pdu})
	if r.payload == "hex" {
		return fmt.Appendf(nil, "%X", frame)
	}
	return frame
}

// changed reports whether what is known differs from what was published by more than the deadband.
func (r *reading) changed() bool {
	if r.shown.Quality != r.last.Quality {
		return true
	}
	if r.last.Quality != message.Good {
		return false
	}
	return beyond(r.Deadband, r.shown.Value, r.last.Value)
}

// grain is what binary fractions may be off by where a value moved by just its deadband.
const grain = 1e-9

// beyond reports whether b is as far from a as the deadband or further.
func beyond(d profile.Deadband, a, b register.Value) bool {
	if a.Equal(b) {
		return false
	}
	if !a.IsNumber() || !b.IsNumber() || d == (profile.Deadband{}) {
		return true
	}
	moved := math.Abs(b.Float() - a.Float())
	far := func(distance float64) bool { return moved >= distance*(1-grain) }
	return d.Absolute > 0 && far(d.Absolute) || d.Percent > 0 && far(math.Abs(a.Float())*d.Percent/100)
}
