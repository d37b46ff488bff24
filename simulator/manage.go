package simulator

import (
	"context"
	"fmt"

	"modferry/modbus"
	"modferry/modbus/register"
	"modferry/simulator/event"
	"modferry/simulator/match"
)

// Assign is [device.Device.Assign] that everyone who listens is told of.
func (s *Simulator) Assign(d *Device, values map[string]register.Value) error {
	if err := d.Assign(values); err != nil {
		return err
	}
	for _, v := range d.Values() {
		if _, given := values[v.Name]; given {
			s.tellValues(d, d.PlaceOf(v.Name).Span(), "control")
		}
	}
	return nil
}

// PutTable is [device.Device.WriteTable], or [device.Device.PinTable] if pin, that everyone who
// listens is told of. Error: as of them, or what moves by itself would take the
// contents away at once.
func (s *Simulator) PutTable(d *Device, table modbus.Table, address uint16, values []uint16, pin bool) error {
	span := modbus.Span{Table: table, Address: address, Quantity: len(values)}
	if name, moves := d.Overwritten(span); moves && !pin {
		return fmt.Errorf("%s moves by itself, and its next sample would take the place of these %s: pin them", name, table)
	}
	put := d.WriteTable
	if pin {
		put = d.PinTable
	}
	if err := put(table, address, values...); err != nil {
		return err
	}
	s.tellValues(d, span, "control")
	return nil
}

// Release is [device.Device.Release] that everyone who listens is told of.
func (s *Simulator) Release(d *Device, name string) error {
	if err := d.Release(name); err != nil {
		return err
	}
	s.tellValues(d, d.PlaceOf(name).Span(), "control")
	return nil
}

// UnpinTable is [device.Device.UnpinTable] that everyone who listens is told of, if something
// was pinned and the device has all of these addresses.
func (s *Simulator) UnpinTable(d *Device, table modbus.Table, address uint16, quantity int) int {
	n := d.UnpinTable(table, address, quantity)
	if n > 0 {
		s.tellValues(d, modbus.Span{Table: table, Address: address, Quantity: quantity}, "control")
	}
	return n
}

// tellValues tells what a device has in a span now.
func (s *Simulator) tellValues(d *Device, span modbus.Span, source string) {
	values, ok := d.ReadTable(span.Table, span.Address, span.Quantity)
	if !ok {
		return
	}
	s.Tell(event.Event{Kind: "value", Data: event.Value{
		Unit: d.Unit(), Table: match.TableName(span.Table), Address: span.Address, Values: values, Names: d.Named(span), Source: source,
	}})
}

// Listen returns a new listener. If it is too slow it loses events, and then hears
// how many.
func (s *Simulator) Listen() *Listener { return s.listeners.Listen() }

// Tell tells everyone who listens an event, and waits for no one.
func (s *Simulator) Tell(e Event) { s.listeners.Tell(e) }

// AddFaults adds faults behind those that are there, all or none, and returns them
// with their names. Errors: a fault that does not pass [Fault.Check], a name that is
// taken, or nothing that can go wrong on any of the simulator's faces.
func (s *Simulator) AddFaults(add ...Fault) ([]FaultState, error) {
	return s.faults.Add(add, s.kinds(), s.now())
}

// SetFaults is AddFaults in place of the faults that are there.
func (s *Simulator) SetFaults(all ...Fault) ([]FaultState, error) {
	return s.faults.Set(all, s.kinds(), s.now())
}

// RemoveFault removes a fault; false if there is none of that name.
func (s *Simulator) RemoveFault(name string) bool { return s.faults.Remove(name) }

// Faults returns all faults in their order.
func (s *Simulator) Faults() []FaultState { return s.faults.States(s.now()) }

// kinds returns what faults need to know of the faces.
func (s *Simulator) kinds() []match.Kind {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kinds []match.Kind
	for _, f := range s.faces {
		kinds = append(kinds, f.kind())
	}
	return kinds
}

// Calls returns up to limit of the calls that are kept and that the filter chooses,
// the oldest first. Error: [ErrNoCalls], or the filter cannot be used.
func (s *Simulator) Calls(f CallFilter, limit int) ([]Call, CallCount, error) {
	return s.calls.Calls(f, limit)
}

// WaitCall returns the first call that the filter chooses, as soon as there is one;
// those that are kept count. The error is ctx's, or as of Calls.
func (s *Simulator) WaitCall(ctx context.Context, f CallFilter) (Call, error) {
	return s.calls.Wait(ctx, f)
}

// ForgetCalls empties the log of calls. Numbers go on.
func (s *Simulator) ForgetCalls() error { return s.calls.Forget() }
