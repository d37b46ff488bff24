package simulator

import (
	"sync"
	"sync/atomic"

	"modferry/modbus"
	"modferry/modbus/register"
	"modferry/modbus/server"
	"modferry/simulator/match"
)

// Event is something that happened to the simulator.
type Event struct {
	Kind string // "call", "value", "fault", "power", "clock", "lost"
	Data any    // Call, ValueEvent, FaultEvent, PowerEvent, ClockState, LostEvent
}

// ValueEvent says what was written, by a client or over the control.
type ValueEvent struct {
	Unit    byte                      `json:"unit"`
	Table   string                    `json:"table"`
	Address uint16                    `json:"address"`
	Values  []uint16                  `json:"values"`           // as they are in the table afterwards
	Names   map[string]register.Value `json:"names,omitempty"`  // the registers of the profile that lie there
	Source  string                    `json:"source,omitempty"` // "client" or "control"
}

// FaultEvent says what became of a fault.
type FaultEvent struct {
	Name string `json:"name"`
	What string `json:"what"`           // "added", "removed", "applied"
	Call uint64 `json:"call,omitempty"` // the number of the call it was applied to
}

// PowerEvent says that a device was switched off and on.
type PowerEvent struct {
	Unit byte `json:"unit"` // the one it has now
}

// LostEvent says that a listener was too slow.
type LostEvent struct {
	Events int `json:"events"`
}

// listeners are those who are told events.
type listeners struct {
	mu   sync.Mutex
	all  map[*Listener]bool
	some atomic.Bool
}

// Listener hears events until it is closed.
type Listener struct {
	Events <-chan Event
	events chan Event
	lost   int // guarded by the listeners
	of     *listeners
}

// maxEvents is how many events wait for a listener; what comes beyond is lost.
const maxEvents = 1024

// Listen returns a new listener. If it is too slow it loses events, and then hears
// how many.
func (s *Simulator) Listen() *Listener {
	events := make(chan Event, maxEvents)
	l := &Listener{Events: events, events: events, of: &s.listeners}
	s.listeners.mu.Lock()
	defer s.listeners.mu.Unlock()
	if s.listeners.all == nil {
		s.listeners.all = map[*Listener]bool{}
	}
	s.listeners.all[l] = true
	s.listeners.some.Store(true)
	return l
}

// Close ends the listening.
func (l *Listener) Close() {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	delete(l.of.all, l)
	l.of.some.Store(len(l.of.all) > 0)
}

// Tell tells everyone who listens an event, and waits for no one.
func (s *Simulator) Tell(e Event) {
	if !s.listeners.some.Load() {
		return
	}
	s.listeners.mu.Lock()
	defer s.listeners.mu.Unlock()
	for l := range s.listeners.all {
		l.tell(e)
	}
}

func (l *Listener) tell(e Event) {
	if l.lost > 0 {
		select {
		case l.events <- Event{"lost", LostEvent{l.lost}}:
			l.lost = 0
		default:
		}
	}
	if l.lost == 0 {
		select {
		case l.events <- e:
			return
		default:
		}
	}
	l.lost++
}

// wrote tells what a request has written.
func (r responder) wrote(framing modbus.Framing, request modbus.ADU, reply modbus.PDU, answer bool) {
	if !r.listeners.some.Load() || !modbus.IsWrite(request.PDU.FunctionCode) || answer && modbus.AsException(reply) != nil {
		return
	}
	for _, span := range match.Touches(request.PDU) {
		if !span.Write {
			continue
		}
		for _, d := range r.addressed(framing, request.Unit) {
			r.tellValues(d, span, "client")
		}
	}
}

// tellValues tells what a device has in a span now.
func (s *Simulator) tellValues(d *Device, span modbus.Span, source string) {
	values, ok := d.ReadTable(span.Table, span.Address, span.Quantity)
	if !ok {
		return
	}
	s.Tell(Event{"value", ValueEvent{d.Unit(), TableName(span.Table), span.Address, values, d.named(span), source}})
}

// named returns the values of the profile's registers that lie in a span.
func (d *Device) named(span modbus.Span) map[string]register.Value {
	names := map[string]register.Value{}
	d.image.View(func(t *server.Tables) {
		for _, r := range d.profile.Registers {
			if s := r.Span(); s.Table != span.Table || int(s.Address) >= span.End() || int(span.Address) >= s.End() {
				continue
			}
			if v, err := load(t, r.Field); err == nil {
				names[r.Name] = v
			}
		}
	})
	return names
}
