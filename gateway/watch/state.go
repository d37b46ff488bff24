package watch

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"modferry/gateway/message"
)

const (
	// MaxReadings is how many readings are kept; further ones are only counted.
	MaxReadings = 20_000
	// Course is how many values of a reading are kept.
	Course = 64

	maxText = 256 // bytes of a value
)

// Filters are the topics to subscribe, below a prefix; "" = of all gateways with the usual one.
func Filters(prefix string) (readings string, states []string) {
	prefix = cmp.Or(prefix, "modferry/+")
	return prefix + "/device/+/+", []string{prefix + "/status", prefix + "/bus/+/status"}
}

// State is all that is known. The zero value knows nothing.
type State struct {
	Prefix   string // of the gateway that is watched; "" = all with the usual prefix
	Gateways map[string]*Gateway
	readings int
	Lost     int // messages of readings for which there was no room
}

// Gateway is what is known of one, by its prefix.
type Gateway struct {
	Name    string
	Status  string // "" = it did not say
	Buses   map[string]*Bus
	Devices map[string]*Device
}

// Bus is what a bus says of itself.
type Bus struct {
	State    string         `json:"state"`
	Error    string         `json:"error"`
	Queue    int            `json:"queue"`
	Requests uint64         `json:"requests"`
	Timeouts uint64         `json:"timeouts"`
	Resting  map[string]any `json:"resting"`
}

// Device is a device and its readings.
type Device struct {
	Status   string // "" = it did not say
	Readings map[string]*Reading
}

// Reading is the latest of a reading.
type Reading struct {
	Value   json.RawMessage // as JSON; text of its own form as a string
	Text    string          // the value for people
	Unit    string
	Quality message.Quality // "" = it does not say
	Time    time.Time       // of the value; zero = it does not say
	Arrived time.Time       // zero = it was retained, and nobody knows for how long
	Course  []float64       // the last values, if they are numbers
}

// Event is what a message changed.
type Event struct {
	Time    time.Time       `json:"time"` // when it arrived
	Kind    string          `json:"kind"` // gateway, bus, device or reading
	Gateway string          `json:"gateway,omitempty"`
	Bus     string          `json:"bus,omitempty"`
	Device  string          `json:"device,omitempty"`
	Reading string          `json:"reading,omitempty"`
	State   string          `json:"state,omitempty"`
	Error   string          `json:"error,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	Unit    string          `json:"unit,omitempty"`
	Quality message.Quality `json:"quality,omitempty"`
	Taken   *time.Time      `json:"taken,omitempty"` // when the device gave the value

	text string // of the value
}

// Apply takes a message. ok is false if it tells nothing new.
func (s *State) Apply(topic string, payload []byte, retained bool, now time.Time) (e Event, ok bool) {
	name, levels, ok := s.split(topic)
	if !ok {
		return e, false
	}
	e = Event{Time: now.UTC().Truncate(time.Millisecond), Gateway: name}
	switch {
	case len(levels) == 1 && levels[0] == "status":
		e.Kind, e.State = "gateway", short(payload)
		g := s.gateway(name)
		ok, g.Status = g.Status != e.State, e.State
		return e, ok
	case len(levels) == 3 && levels[0] == "bus" && levels[2] == "status":
		return s.bus(e, levels[1], payload)
	case len(levels) != 3 || levels[0] != "device":
		return e, false
	case levels[2] == "status":
		e.Kind, e.Device, e.State = "device", levels[1], short(payload)
		d := s.gateway(name).device(e.Device)
		ok, d.Status = d.Status != e.State, e.State
		return e, ok
	}
	e.Kind, e.Device, e.Reading = "reading", levels[1], levels[2]
	return s.reading(e, payload, retained)
}

// split returns the gateway's name and what follows its prefix.
func (s *State) split(topic string) (name string, levels []string, ok bool) {
	if s.Prefix != "" {
		rest, ok := strings.CutPrefix(topic, s.Prefix+"/")
		return strings.TrimPrefix(s.Prefix, "modferry/"), strings.Split(rest, "/"), ok
	}
	all := strings.Split(topic, "/")
	if len(all) < 3 || all[0] != "modferry" {
		return "", nil, false
	}
	return all[1], all[2:], true
}

func (s *State) gateway(name string) *Gateway {
	if s.Gateways == nil {
		s.Gateways = map[string]*Gateway{}
	}
	g := s.Gateways[name]
	if g == nil {
		g = &Gateway{Name: name, Buses: map[string]*Bus{}, Devices: map[string]*Device{}}
		s.Gateways[name] = g
	}
	return g
}

func (g *Gateway) device(name string) *Device {
	d := g.Devices[name]
	if d == nil {
		d = &Device{Readings: map[string]*Reading{}}
		g.Devices[name] = d
	}
	return d
}

func (s *State) bus(e Event, name string, payload []byte) (Event, bool) {
	g := s.gateway(e.Gateway)
	var now Bus
	if len(payload) == 0 { // the gateway has it no more
		delete(g.Buses, name)
		return e, false
	}
	if json.Unmarshal(payload, &now) != nil {
		return e, false
	}
	before := g.Buses[name]
	g.Buses[name] = &now
	e.Kind, e.Bus, e.State, e.Error = "bus", name, now.State, now.Error
	return e, before == nil || before.State != now.State || before.Error != now.Error
}

func (s *State) reading(e Event, payload []byte, retained bool) (Event, bool) {
	d := s.gateway(e.Gateway).device(e.Device)
	r := d.Readings[e.Reading]
	if len(payload) == 0 { // the gateway has it no more
		if r != nil {
			delete(d.Readings, e.Reading)
			s.readings--
		}
		return e, false
	}
	now := parse(payload)
	if !retained {
		now.Arrived = e.Time
	}
	switch {
	case r == nil && s.readings >= MaxReadings:
		s.Lost++
		return e, false
	case r == nil:
		s.readings++
	case retained && bytes.Equal(r.Value, now.Value) && r.Quality == now.Quality && r.Time.Equal(now.Time):
		return e, false // what was there before the connection was lost
	default:
		now.Course = r.Course
	}
	if v, ok := number(now.Value); ok && (r == nil || now.Time.IsZero() || !now.Time.Equal(r.Time)) {
		now.Course = append(now.Course[max(0, len(now.Course)-Course+1):len(now.Course):len(now.Course)], v)
	}
	d.Readings[e.Reading] = now
	e.Value, e.Unit, e.Quality, e.text = now.Value, now.Unit, now.Quality, now.Text
	if !now.Time.IsZero() {
		e.Taken = &now.Time
	}
	return e, true
}

// parse reads a reading in any form that a gateway publishes.
func parse(payload []byte) *Reading {
	var sample struct {
		Value   json.RawMessage
		Unit    string
		Quality message.Quality
		Time    time.Time
	}
	if json.Unmarshal(payload, &sample) == nil && sample.Value != nil {
		return &Reading{Value: sample.Value, Text: textOf(sample.Value), Unit: sample.Unit, Quality: sample.Quality, Time: sample.Time}
	}
	if json.Valid(payload) && len(payload) <= maxText {
		value := json.RawMessage(payload)
		return &Reading{Value: value, Text: textOf(value)}
	}
	text := short(payload)
	value, err := json.Marshal(text)
	if err != nil {
		value = json.RawMessage("null") // a string always has a JSON form
	}
	return &Reading{Value: value, Text: text}
}

// textOf is a value for people.
func textOf(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil && value[0] == '"' {
		return text
	}
	if string(value) == "null" {
		return "-"
	}
	return short(value)
}

// short is a payload as text, or as hex where it is none.
func short(payload []byte) string {
	cut := payload[:min(len(payload), maxText)]
	if utf8.Valid(payload) {
		return strings.ToValidUTF8(string(cut), "")
	}
	return hex.EncodeToString(cut)
}

func number(value json.RawMessage) (v float64, ok bool) {
	return v, json.Unmarshal(value, &v) == nil && len(value) > 0 && value[0] != 'n'
}
