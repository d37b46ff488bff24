package event

import "modferry/modbus/register"

// Event is something that happened to the simulator.
type Event struct {
	Kind string // "call", "value", "fault", "power", "clock", "lost"
	Data any    // a call, Value, Fault, Power, the clock's state, Lost
}

// Value says what was written, by a client or over the control.
type Value struct {
	Unit    byte                      `json:"unit"`
	Table   string                    `json:"table"`
	Address uint16                    `json:"address"`
	Values  []uint16                  `json:"values"`           // as they are in the table afterwards
	Names   map[string]register.Value `json:"names,omitempty"`  // the registers of the profile that lie there
	Source  string                    `json:"source,omitempty"` // "client" or "control"
}

// Fault says what became of a fault.
type Fault struct {
	Name string `json:"name"`
	What string `json:"what"`           // "added", "removed", "applied"
	Call uint64 `json:"call,omitempty"` // the number of the call it was applied to
}

// Power says that a device was switched off and on.
type Power struct {
	Unit byte `json:"unit"` // the one it has now
}

// Lost says that a listener was too slow.
type Lost struct {
	Events int `json:"events"`
}
