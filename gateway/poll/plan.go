package poll

import (
	"cmp"
	"slices"
	"time"

	"modferry/gateway/config"
	"modferry/modbus"
	"modferry/modbus/profile"
)

// Read is one request that fetches one reading or several. What lies between them is
// read along with them.
type Read struct {
	Table    modbus.Table
	Address  uint16
	Quantity int           // registers or bits
	Every    time.Duration // the shortest interval of its readings
	Readings []int         // indices into the device's readings

	spans   []span // of the readings
	classes []int  // whose readings these are, in order
	pdu     modbus.PDU
	alone   bool // it fails even alone, and is tried again at a slower pace
}

// span is a place that readings are taken from.
type span struct {
	modbus.Span
	readings []int
}

// planner makes the reads of a device.
type planner struct {
	line    Line
	limits  profile.Limits
	rates   []time.Duration // the different intervals, shortest first; a class is an index into it
	classes []int           // of the readings, -1 = it is computed, not read
	spans   []span          // each place once, by table, address and end
	lesson  lesson          // what the device taught
}

func newPlanner(d config.Device, l Line) *planner {
	p := &planner{line: l, limits: d.Limits, classes: make([]int, len(d.Readings))}
	p.limits.Registers = cmp.Or(d.Limits.Registers, modbus.MaxReadRegisters)
	p.limits.Bits = cmp.Or(d.Limits.Bits, modbus.MaxReadBits)
	for i := range d.Readings {
		if isRead(d.Readings[i]) {
			p.rates = append(p.rates, d.EveryOf(&d.Readings[i]))
		}
	}
	slices.Sort(p.rates)
	p.rates = slices.Compact(p.rates)
	indices := make([]int, len(d.Readings)) // side by side
	var spans []span
	for i, r := range d.Readings {
		p.classes[i], indices[i] = -1, i
		if isRead(r) {
			p.classes[i], _ = slices.BinarySearch(p.rates, d.EveryOf(&d.Readings[i]))
			spans = append(spans, span{r.Span(), indices[i : i+1 : i+1]})
		}
	}
	p.spans = slices.Clip(slices.Clone(merged(spans)))
	return p
}

func isRead(r profile.Reading) bool { return r.Compute == "" && r.Table != 0 }

// merged sorts spans and makes one of those at the same place.
func merged(spans []span) []span {
	slices.SortStableFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Address, b.Address), cmp.Compare(a.End(), b.End()))
	})
	var once []span
	for _, s := range spans {
		if n := len(once) - 1; n >= 0 && once[n].Span == s.Span {
			once[n].readings = slices.Concat(once[n].readings, s.readings)
		} else {
			once = append(once, s)
		}
	}
	return once
}

// plan returns the reads that fetch the readings of some classes, those with the
// shortest interval first.
func (p *planner) plan(classes []int) []Read {
	if len(classes) == len(p.rates) {
		return p.join(p.spans)
	}
	var due []span
	for _, s := range p.spans {
		s.readings = slices.DeleteFunc(slices.Clone(s.readings), func(i int) bool { return !slices.Contains(classes, p.classes[i]) })
		if len(s.readings) > 0 {
			due = append(due, s)
		}
	}
	return p.join(due)
}

// join returns the reads that fetch spans, which are sorted, in the least time on the line.
func (p *planner) join(spans []span) []Read {
	var reads, alone []Read
	good := spans
	if slices.ContainsFunc(spans, p.refuses) {
		good = slices.DeleteFunc(slices.Clone(spans), p.refuses)
	}
	for _, s := range spans {
		if len(good) < len(spans) && p.refuses(s) {
			r := p.read([]span{s})
			r.alone = true
			alone = append(alone, r)
		}
	}
	for from := 0; from < len(good); {
		to := from
		for to < len(good) && good[to].Table == good[from].Table {
			to++
		}
		for _, group := range p.groups(good[from:to]) {
			reads = append(reads, p.read(group))
		}
		from = to
	}
	reads = append(reads, alone...)
	slices.SortStableFunc(reads, func(a, b Read) int { return cmp.Compare(a.Every, b.Every) })
	return reads
}

func (p *planner) refuses(s span) bool { return p.lesson.refuses(s.Span) }

// groups cuts the spans of one table into those that are read together. Of all ways
// to do that it finds the one that takes the line least: a cheapest way from the first
// span to the last one.
func (p *planner) groups(spans []span) [][]span {
	n := len(spans)
	least := make([]time.Duration, n+1) // to read the spans before this one
	from := make([]int, n+1)            // where the last group of that begins
	for i := range n {
		p.reach(spans[i:], func(k, quantity int) {
			t := least[i] + p.line.Time(spans[i].Table, quantity) + time.Duration(quantity) // on a network, less data
			if to := i + k; least[to] == 0 || t <= least[to] {                              // of equals, long reads first
				least[to], from[to] = t, i
			}
		})
	}
	var groups [][]span
	for to := n; to > 0; to = from[to] {
		groups = append(groups, spans[from[to]:to])
	}
	slices.Reverse(groups)
	return groups
}

// reach calls visit for each number of spans from the first on that one request may
// read, with its quantity. A span alone always may.
func (p *planner) reach(spans []span, visit func(spans, quantity int)) {
	first := spans[0].Span
	most, gap := p.limits.Registers, p.limits.Gap
	if first.Table.IsBits() {
		most, gap = p.limits.Bits, 16*p.limits.Gap
	}
	most = p.lesson.most(first.Table, most)
	fence, end := p.lesson.fence(first), first.End()
	for k, s := range spans {
		if k > 0 {
			if int(s.Address)-end > gap {
				return
			}
			if end = max(end, s.End()); end-int(first.Address) > most || end >= fence {
				return
			}
		}
		visit(k+1, end-int(first.Address))
	}
}

// read returns the read that fetches spans, in order and of one table.
func (p *planner) read(spans []span) Read {
	r := Read{Table: spans[0].Table, Address: spans[0].Address, spans: spans}
	for _, s := range spans {
		r.Quantity = max(r.Quantity, s.End()-int(r.Address))
		r.Readings = append(r.Readings, s.readings...)
	}
	for _, i := range r.Readings {
		if c := p.classes[i]; !slices.Contains(r.classes, c) {
			r.classes = append(r.classes, c)
		}
	}
	slices.Sort(r.classes)
	r.Every = p.rates[r.classes[0]]
	r.pdu = modbus.ReadRequest(r.Table.ReadFunction(), r.Address, uint16(r.Quantity))
	return r
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
	if r.Table.IsBits() {
		return modbus.AppendBits(nil, modbus.Bits(data, r.Quantity)[first:first+s.Quantity])
	}
	return data[2*first : 2*(first+s.Quantity)]
}

// allClasses returns the classes of all intervals.
func (p *planner) allClasses() []int {
	all := make([]int, len(p.rates))
	for i := range all {
		all[i] = i
	}
	return all
}
