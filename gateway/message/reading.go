package message

import (
	"bytes"
	"time"

	"modferry/modbus/register"
)

// Quality says how far a reading can be trusted.
type Quality string

// The qualities. A stale value was good once, at its own time; bad means that there never was one.
const (
	Good  Quality = "good"
	Stale Quality = "stale"
	Bad   Quality = "bad"
)

// Sample is one reading as it is published.
type Sample struct {
	Value   register.Value // null while the quality is bad
	Unit    string         // of measurement; "" = none
	Quality Quality
	Time    time.Time // when the device gave the value
}

// TimeFormat is how all times are written: RFC 3339 in UTC with milliseconds.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// JSON returns the sample as {"value":23.4,"unit":"°C","quality":"good","time":"..."}.
func (s Sample) JSON() []byte { return s.append(nil) }

func (s Sample) append(dst []byte) []byte {
	dst = s.Value.AppendJSON(AppendSample(dst))
	return NewTail(s.Unit).Append(dst, s.Quality, s.Time, &Clock{})
}

// good is what a good sample has in its JSON; in a string the quotes would be escaped.
var good = []byte(`,"quality":"good","time":"`)

// IsGood reports whether what [Sample.JSON] wrote is of a good sample.
func IsGood(sample []byte) bool { return bytes.Contains(sample, good) }

// AppendSample begins what [Sample.JSON] returns; the value as JSON follows, and then a [Tail].
func AppendSample(dst []byte) []byte { return append(dst, `{"value":`...) }

// Tail is how the samples of one reading go on after their value.
type Tail struct{ fixed []byte }

// NewTail returns the tail of samples with a unit of measurement; "" = none.
func NewTail(unit string) Tail {
	var fixed []byte
	if unit != "" {
		fixed = appendString(append(fixed, `,"unit":`...), unit)
	}
	return Tail{append(fixed, `,"quality":"`...)}
}

// Append ends a sample that [AppendSample] began.
func (t Tail) Append(dst []byte, q Quality, at time.Time, c *Clock) []byte {
	dst = append(append(append(dst, t.fixed...), q...), `","time":"`...)
	return append(c.append(dst, at), `"}`...)
}

// Clock writes times one after the other, of which many are of the same second. The
// zero value is ready.
type Clock struct {
	second int64
	text   []byte // of it
}

func (c *Clock) append(dst []byte, at time.Time) []byte {
	if second := at.Unix(); c.text == nil || second != c.second {
		c.second, c.text = second, at.UTC().AppendFormat(c.text[:0], TimeFormat)
	}
	dst = append(dst, c.text[:len(TimeFormat)-len("000Z")]...)
	ms := at.Nanosecond() / 1e6
	return append(dst, '0'+byte(ms/100), '0'+byte(ms/10%10), '0'+byte(ms%10), 'Z')
}

func appendString(dst []byte, s string) []byte { return register.Text(s).AppendJSON(dst) }

// Group is all readings of a device in one JSON object.
type Group struct{ body []byte }

// Add appends a reading; each name once.
func (g *Group) Add(name string, s Sample) {
	if g.body != nil {
		g.body = append(g.body, ',')
	}
	g.body = s.append(append(appendString(g.body, name), ':'))
}

// JSON returns {"temperature":{...},"humidity":{...}}.
func (g *Group) JSON() []byte { return append(append([]byte{'{'}, g.body...), '}') }
