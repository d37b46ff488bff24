package poll

import (
	"cmp"
	"slices"
	"time"

	"modferry/gateway/config"
	"modferry/modbus"
)

// Read is one request that fetches one reading or several that lie side by side.
type Read struct {
	Table    modbus.Table
	Address  uint16
	Quantity int // registers or bits
	Every    time.Duration
	Readings []int // indices into the device's readings
}

// Plan returns the reads that fetch all readings of a device: adjacent and
// overlapping spans of one table and rate are joined within the protocol's limits.
func Plan(d config.Device) []Read {
	order := make([]int, len(d.Readings))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := d.Readings[a], d.Readings[b]
		return cmp.Or(cmp.Compare(every(d, a), every(d, b)), cmp.Compare(x.Table, y.Table), cmp.Compare(x.Address, y.Address))
	})
	var plan []Read
	for _, i := range order {
		s := d.Readings[i].Span()
		next := Read{s.Table, s.Address, s.Quantity, every(d, i), []int{i}}
		if n := len(plan); n > 0 && plan[n-1].join(next) {
			continue
		}
		plan = append(plan, next)
	}
	return plan
}

func every(d config.Device, reading int) time.Duration {
	return cmp.Or(d.Readings[reading].Every, d.Every)
}

// join extends r by next, which begins at or after it, if both fit one request.
func (r *Read) join(next Read) bool {
	end := max(int(r.Address)+r.Quantity, int(next.Address)+next.Quantity)
	if r.Table != next.Table || r.Every != next.Every ||
		int(next.Address) > int(r.Address)+r.Quantity || end-int(r.Address) > most(r.Table) {
		return false
	}
	r.Quantity = end - int(r.Address)
	r.Readings = append(r.Readings, next.Readings...)
	return true
}

func most(t modbus.Table) int {
	if t == modbus.Coils || t == modbus.DiscreteInputs {
		return modbus.MaxReadBits
	}
	return modbus.MaxReadRegisters
}

// function returns the function code that reads a table.
func function(t modbus.Table) byte {
	switch t {
	case modbus.Coils:
		return modbus.ReadCoils
	case modbus.DiscreteInputs:
		return modbus.ReadDiscreteInputs
	case modbus.HoldingRegisters:
		return modbus.ReadHoldingRegisters
	}
	return modbus.ReadInputRegisters
}

// fetch makes the request and returns the data of the reply.
func (r *Read) fetch(c modbus.Client) ([]byte, error) {
	n := uint16(r.Quantity)
	switch r.Table {
	case modbus.Coils:
		return c.ReadCoils(r.Address, n)
	case modbus.DiscreteInputs:
		return c.ReadDiscreteInputs(r.Address, n)
	case modbus.HoldingRegisters:
		return c.ReadHoldingRegisters(r.Address, n)
	}
	return c.ReadInputRegisters(r.Address, n)
}

// cut returns the part of a reply's data that belongs to a span inside the read.
func (r *Read) cut(data []byte, s modbus.Span) []byte {
	first := int(s.Address) - int(r.Address)
	if r.Table == modbus.Coils || r.Table == modbus.DiscreteInputs {
		return modbus.AppendBits(nil, modbus.Bits(data, r.Quantity)[first:first+s.Quantity])
	}
	return data[2*first : 2*(first+s.Quantity)]
}
