package control

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/http"

	"modferry/modbus"
	"modferry/modbus/register"
	"modferry/simulator"
)

type deviceInfo struct {
	Unit    byte   `json:"unit"`
	Profile string `json:"profile"`
	Title   string `json:"title"`
	Baud    int    `json:"baud"`
}

func info(d *simulator.Device) deviceInfo {
	return deviceInfo{d.Unit(), d.Profile().Name, d.Profile().Title, d.Baud()}
}

type deviceList struct {
	Devices []deviceInfo `json:"devices"`
}

func (c *Server) infos() []deviceInfo {
	all := []deviceInfo{}
	for _, d := range c.s.Devices() {
		all = append(all, info(d))
	}
	return all
}

func (c *Server) devices(*request) answer { return ok(deviceList{c.infos()}) }

func showDevice(_ *request, d *simulator.Device) answer { return ok(info(d)) }

type statusInfo struct {
	Places  simulator.Places      `json:"places"`
	Devices []deviceInfo          `json:"devices"`
	Clock   *simulator.ClockState `json:"clock,omitempty"`
	Calls   *callCount            `json:"calls,omitempty"`
	Faults  int                   `json:"faults"`
}

func (c *Server) status(*request) answer {
	s := statusInfo{Places: c.s.Places(), Devices: c.infos(), Faults: len(c.s.Faults())}
	if clock := c.s.Clock(); clock != nil {
		state := clock.State()
		s.Clock = &state
	}
	if _, n, err := c.s.Calls(simulator.CallFilter{}, 0); err == nil {
		s.Calls = &callCount{n.Last, n.Kept, n.Lost}
	}
	return ok(s)
}

func (c *Server) cycleOne(_ *request, d *simulator.Device) answer {
	c.s.PowerCycleDevice(d)
	return ok(info(d))
}

func (c *Server) cycleAll(*request) answer {
	c.s.PowerCycle()
	return ok(deviceList{c.infos()})
}

type valueList struct {
	Values []valueInfo `json:"values"`
}

// valueInfo is a value with the limits that the profile has for it, and the step
// between two numbers that its register can hold.
type valueInfo struct {
	simulator.NamedValue
	Min  *float64 `json:"min,omitempty"`
	Max  *float64 `json:"max,omitempty"`
	Step float64  `json:"step,omitempty"`
}

func valueOf(d *simulator.Device, v simulator.NamedValue) valueInfo {
	w := valueInfo{NamedValue: v}
	for _, r := range d.Profile().Registers {
		if r.Name != v.Name {
			continue
		}
		if !math.IsInf(r.Min, 0) {
			w.Min = &r.Min
		}
		if !math.IsInf(r.Max, 0) {
			w.Max = &r.Max
		}
		w.Step = stepOf(r.Field)
	}
	return w
}

// stepOf returns 0 for what is no whole number of steps.
func stepOf(f register.Field) float64 {
	switch f.Type {
	case register.Int16, register.Uint16, register.Int32, register.Uint32:
		return cmp.Or(math.Abs(f.Scale), 1)
	default:
		return 0
	}
}

func valuesOf(d *simulator.Device) valueList {
	list := valueList{[]valueInfo{}}
	for _, v := range d.Values() {
		list.Values = append(list.Values, valueOf(d, v))
	}
	return list
}

func showValues(_ *request, d *simulator.Device) answer { return ok(valuesOf(d)) }

func (c *Server) putValues(q *request, d *simulator.Device) answer {
	var values map[string]register.Value
	if err := q.decode(&values); err != nil {
		return wrong(err)
	}
	if len(values) == 0 {
		return wrong(errors.New("the body names no values: send them by name, such as {\"temperature\": 21.5}"))
	}
	if err := c.s.Assign(d, values); err != nil {
		return wrong(err)
	}
	return ok(valuesOf(d))
}

func named(d *simulator.Device, name string) (simulator.NamedValue, bool) {
	for _, v := range d.Values() {
		if v.Name == name {
			return v, true
		}
	}
	return simulator.NamedValue{}, false
}

func noValue(d *simulator.Device, name string) answer {
	return problemf(http.StatusNotFound, "profile %s has no register or reading %q: see /devices/%d/values", d.Profile().Name, name, d.Unit())
}

func showValue(q *request, d *simulator.Device) answer {
	v, there := named(d, q.PathValue("name"))
	if !there {
		return noValue(d, q.PathValue("name"))
	}
	return ok(valueOf(d, v))
}

func (c *Server) putValue(q *request, d *simulator.Device) answer {
	name := q.PathValue("name")
	if _, there := named(d, name); !there {
		return noValue(d, name)
	}
	var v register.Value
	if err := q.decode(&v); err != nil {
		return wrong(err)
	}
	if err := c.s.Assign(d, map[string]register.Value{name: v}); err != nil {
		return wrong(err)
	}
	return showValue(q, d)
}

func (c *Server) releaseValue(q *request, d *simulator.Device) answer {
	if c.s.Release(d, q.PathValue("name")) != nil {
		return noValue(d, q.PathValue("name"))
	}
	return showValue(q, d)
}

type tableContents struct {
	Table   string   `json:"table"`
	Address uint16   `json:"address"`
	Values  []uint16 `json:"values"`
}

// where reads a table and an address from a path.
func where(q *request) (modbus.Table, uint16, error) {
	table, there := simulator.TableByName(q.PathValue("table"))
	if !there {
		return 0, 0, fmt.Errorf("there is no table %q: possible are coils, discrete, holding and input", q.PathValue("table"))
	}
	address, err := parseNumber(q.PathValue("address"))
	if err != nil || address >= modbus.AddressSpace {
		return 0, 0, fmt.Errorf("the address must be a number from 0 to 65535, such as 259 or 0x0103, not %q", q.PathValue("address"))
	}
	return table, uint16(address), nil
}

func showTable(q *request, d *simulator.Device) answer {
	table, address, err := where(q)
	quantity, err2 := q.number("quantity", 1, 1, modbus.AddressSpace)
	if err := errors.Join(err, err2); err != nil {
		return wrong(err)
	}
	values, there := d.ReadTable(table, address, quantity)
	if !there {
		return problemf(http.StatusNotFound, "the device does not have %d %s from address %d", quantity, table, address)
	}
	return ok(tableContents{simulator.TableName(table), address, values})
}

type newContents struct {
	Values []uint16 `json:"values"`
	Pin    bool     `json:"pin"`
}

func (c *Server) putTable(q *request, d *simulator.Device) answer {
	table, address, err := where(q)
	if err != nil {
		return wrong(err)
	}
	var n newContents
	if err := q.decode(&n); err != nil {
		return wrong(err)
	}
	if len(n.Values) == 0 {
		return wrong(errors.New(`the body has no values: send them from the address on, such as {"values": [1, 2]}`))
	}
	if err := c.s.PutTable(d, table, address, n.Values, n.Pin); err != nil {
		return wrong(err)
	}
	return ok(tableContents{simulator.TableName(table), address, n.Values})
}

type unpinned struct {
	Unpinned int `json:"unpinned"`
}

func (c *Server) unpinTable(q *request, d *simulator.Device) answer {
	table, address, err := where(q)
	quantity, err2 := q.number("quantity", 1, 1, modbus.AddressSpace)
	if err := errors.Join(err, err2); err != nil {
		return wrong(err)
	}
	return ok(unpinned{c.s.UnpinTable(d, table, address, min(quantity, modbus.AddressSpace-int(address)))})
}
