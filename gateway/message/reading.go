package message

import (
	"encoding/json"
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

// timeFormat is RFC 3339 in UTC with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// JSON returns the sample as {"value":23.4,"unit":"°C","quality":"good","time":"..."}.
func (s Sample) JSON() []byte { return s.append(nil) }

func (s Sample) append(dst []byte) []byte {
	dst = s.Value.AppendJSON(append(dst, `{"value":`...))
	if s.Unit != "" {
		dst = appendString(append(dst, `,"unit":`...), s.Unit)
	}
	dst = append(append(dst, `,"quality":"`...), s.Quality...)
	dst = s.Time.UTC().AppendFormat(append(dst, `","time":"`...), timeFormat)
	return append(dst, `"}`...)
}

func appendString(dst []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		return append(dst, `""`...) // cannot be: strings always marshal
	}
	return append(dst, quoted...)
}

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
