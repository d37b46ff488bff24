package bus

import (
	"cmp"
	"slices"
)

// class hands its requests out in turn between clients.
type class struct {
	flows []flow // of clients with something waiting, the next one first
	size  int
}

// flow is what waits of one client, handed out in turn between units.
type flow struct {
	client string
	units  []unit // with something waiting, the next one first
	size   int
}

// unit is what waits for one unit, in order of arrival; never empty.
type unit struct {
	id      byte
	waiting []*Request
}

func (c *class) find(client string) int {
	return slices.IndexFunc(c.flows, func(f flow) bool { return f.client == client })
}

func (c *class) of(client string) int {
	if i := c.find(client); i >= 0 {
		return c.flows[i].size
	}
	return 0
}

func (c *class) push(r *Request) {
	i := c.find(r.Client)
	if i < 0 {
		i = len(c.flows)
		c.flows = append(c.flows, flow{client: r.Client})
	}
	c.flows[i].push(r)
	c.size++
}

func (c *class) pop() *Request {
	f := c.flows[0]
	c.flows = slices.Delete(c.flows, 0, 1)
	r := f.pop()
	if c.size--; f.size > 0 {
		c.flows = append(c.flows, f)
	}
	return r
}

func (c *class) remove(r *Request) bool {
	i := c.find(r.Client)
	if i < 0 || !c.flows[i].remove(r) {
		return false
	}
	if c.size--; c.flows[i].size == 0 {
		c.flows = slices.Delete(c.flows, i, i+1)
	}
	return true
}

func (f *flow) find(id byte) int {
	return slices.IndexFunc(f.units, func(u unit) bool { return u.id == id })
}

func (f *flow) push(r *Request) {
	i := f.find(r.Unit)
	if i < 0 {
		i = len(f.units)
		f.units = append(f.units, unit{id: r.Unit})
	}
	f.units[i].waiting = append(f.units[i].waiting, r)
	f.size++
}

func (f *flow) pop() *Request {
	u := f.units[0]
	f.units = slices.Delete(f.units, 0, 1)
	r := u.waiting[0]
	if u.waiting = slices.Delete(u.waiting, 0, 1); len(u.waiting) > 0 {
		f.units = append(f.units, u)
	}
	f.size--
	return r
}

// last returns the newest request for the unit with the most waiting.
func (f *flow) last() *Request {
	longest := slices.MaxFunc(f.units, func(a, b unit) int { return cmp.Compare(len(a.waiting), len(b.waiting)) })
	return longest.waiting[len(longest.waiting)-1]
}

func (f *flow) remove(r *Request) bool {
	i := f.find(r.Unit)
	if i < 0 {
		return false
	}
	u := &f.units[i]
	at := slices.Index(u.waiting, r)
	if at < 0 {
		return false
	}
	u.waiting = slices.Delete(u.waiting, at, at+1)
	f.size--
	if len(u.waiting) == 0 {
		f.units = slices.Delete(f.units, i, i+1)
	}
	return true
}
