package device

import (
	"fmt"

	"modferry/modbus"
	"modferry/modbus/server"
)

// place is one address of a table.
type place struct {
	table   modbus.Table
	address uint16
}

// ReadTable returns what the tables hold now, as anyone would read it; bits are 0 and
// 1. It is not ok if the device does not have all of these addresses.
func (d *Device) ReadTable(table modbus.Table, address uint16, quantity int) (values []uint16, ok bool) {
	d.measure()
	d.keep()
	ok = true
	d.image.View(func(t *server.Tables) {
		for i := range quantity {
			v, there := t.Get(table, address+uint16(i))
			values, ok = append(values, v), ok && there && int(address)+i < modbus.AddressSpace
		}
	})
	return values, ok && quantity > 0
}

// WriteTable changes what the tables hold, past everything that a write by a client
// is held to, and sets nothing off. What moves by itself moves on. Error: the device
// does not have all of these addresses; then nothing is changed.
func (d *Device) WriteTable(table modbus.Table, address uint16, values ...uint16) error {
	return d.putTable(table, address, values, false)
}

// PinTable is WriteTable for contents that stay, whatever is measured or written,
// until [Device.UnpinTable].
func (d *Device) PinTable(table modbus.Table, address uint16, values ...uint16) error {
	return d.putTable(table, address, values, true)
}

func (d *Device) putTable(table modbus.Table, address uint16, values []uint16, pin bool) error {
	if table.IsBits() {
		for _, v := range values {
			if v > 1 {
				return fmt.Errorf("%s hold 0 or 1, not %d", table, v)
			}
		}
	}
	set := false
	d.image.Update(func(t *server.Tables) { set = d.place(t, table, address, values, pin) })
	if !set {
		return fmt.Errorf("the device does not have %d %s from address %d", len(values), table, address)
	}
	return nil
}

// place is putTable without its checks, false if the device does not have these
// addresses. The image is locked.
func (d *Device) place(t *server.Tables, table modbus.Table, address uint16, values []uint16, pin bool) bool {
	if len(values) == 0 || !t.Set(table, address, values...) {
		return false
	}
	for i, v := range values {
		p := place{table, address + uint16(i)}
		if _, held := d.held[p]; held || pin {
			d.held[p] = v
		}
	}
	d.holds.Store(len(d.held) > 0)
	return true
}

// UnpinTable lets the contents of addresses change again, and returns how many were pinned.
func (d *Device) UnpinTable(table modbus.Table, address uint16, quantity int) int {
	n := 0
	d.image.Update(func(*server.Tables) { n = d.unhold(table, address, quantity) })
	return n
}

// unhold is UnpinTable; the image is locked.
func (d *Device) unhold(table modbus.Table, address uint16, quantity int) (n int) {
	for i := range quantity {
		p := place{table, address + uint16(i)}
		if _, held := d.held[p]; held {
			delete(d.held, p)
			n++
		}
	}
	d.holds.Store(len(d.held) > 0)
	d.fresh.Store(never)
	return n
}

// keep puts what is pinned back into the tables, where it was written over.
func (d *Device) keep() {
	if d.holds.Load() {
		d.image.Update(d.restore)
	}
}

// restore is keep; the image is locked.
func (d *Device) restore(t *server.Tables) {
	for p, v := range d.held {
		t.Set(p.table, p.address, v)
	}
}
