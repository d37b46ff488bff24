package scan

import (
	"cmp"
	"fmt"
	"slices"

	"modferry/modbus"
	"modferry/modbus/profile"
)

// candidate looks at the values, and returns nil if one of them cannot be.
func (e *explorer) candidate(p *profile.Profile) *candidate {
	c := &candidate{Profile: p, match: Match{Profile: p}, values: map[string]string{}}
	read := 0
	for _, r := range p.Readings {
		if r.Compute != "" {
			continue
		}
		value, err := r.Decode(e.data(r.Span()))
		if err != nil { // no data, such as of a sensor that is not connected
			continue
		}
		if !plausible(p, r, value) {
			return nil
		}
		read++
		text := value.String()
		if r.Unit != "" {
			text += " " + r.Unit
		}
		c.values[r.Name] = text
		c.moved = c.moved || slices.ContainsFunc(e.data(r.Span()), func(b byte) bool { return b != 0 })
	}
	if read == 0 {
		return nil
	}
	c.vote(1, "all %d readings are answered, and their values can be", len(p.Readings))
	return c
}

func byWeight(a, b *candidate) int {
	return cmp.Or(cmp.Compare(b.match.evidence, a.match.evidence), cmp.Compare(len(b.values), len(a.values)))
}

func (c *candidate) vote(weight int, format string, args ...any) {
	c.match.evidence += weight
	if weight < 0 {
		c.match.Against = append(c.match.Against, fmt.Sprintf(format, args...))
	} else {
		c.match.For = append(c.match.For, fmt.Sprintf(format, args...))
	}
}

// own compares what the profile says of the device's own settings.
func (e *explorer) own(c *candidate) error {
	for _, r := range c.Registers {
		want := map[profile.Role]int{profile.UnitID: int(e.unit.Unit), profile.BaudRate: e.report.Setting.Baud}[r.Role]
		if r.Role == profile.Plain || want == 0 {
			continue
		}
		ok, err := e.read(r.Span())
		if err != nil {
			return err
		}
		what := map[profile.Role]string{profile.UnitID: "unit id", profile.BaudRate: "baud rate"}[r.Role]
		if !ok {
			c.vote(-1, "the register of its %s is not there", what)
			continue
		}
		value, err := r.Decode(e.data(r.Span()))
		switch have := r.Meaning(value.Float()); {
		case err != nil || !value.IsNumber() || have != float64(want):
			c.vote(-1, "the register of its %s says %v", what, have)
		case r.Role == profile.UnitID:
			c.vote(2, "the register of its unit id holds %d", want)
		default:
			c.vote(1, "the register of its baud rate means %d", want)
		}
	}
	for id, text := range c.Identification {
		if id < 2 && e.unit.Objects[id] == text && text != "" {
			c.vote(2, "it calls itself %q", text)
		}
	}
	return nil
}

// rest reads what a profile knows beside its readings.
func (e *explorer) rest(c *candidate) error {
	var spans []modbus.Span
	for _, r := range c.Registers {
		spans = append(spans, r.Span())
	}
	slices.SortFunc(spans, byAddress)
	for _, joint := range joined(spans, c.Limits) {
		if ok, err := e.read(joint[0]); ok || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		for _, s := range joint[1:] {
			if _, err := e.read(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// judge decides how sure the candidates are, and drops those that little speaks for.
func (e *explorer) judge(all []*candidate) {
	for _, c := range all {
		switch outside := e.outside(c); {
		case outside > 0:
			c.vote(-1, "addresses can be read of which the profile knows nothing (%d)", outside)
		case e.refuses():
			c.vote(1, "nothing was found that the profile does not know")
		}
		if len(c.values) >= 4 && c.moved {
			c.vote(1, "there are as many as %d values", len(c.values))
		}
	}
	slices.SortStableFunc(all, byWeight)
	all = slices.DeleteFunc(all, func(c *candidate) bool { return c.match.evidence < 1 })
	for i, c := range all {
		if c.match.evidence < all[0].match.evidence-1 {
			break // another fits much better
		}
		rival := len(all) > 1 && all[1].match.evidence == all[0].match.evidence && len(all[1].values) == len(all[0].values)
		c.match.Certainty = Possible
		if i == 0 && c.match.evidence >= likely && len(c.match.Against) == 0 && c.moved && !rival {
			c.match.Certainty = Likely
		}
		e.unit.Matches = append(e.unit.Matches, c.match)
	}
	if len(all) > 0 {
		e.unit.Values = all[0].values
	}
}

// outside counts what the unit has and a profile does not know.
func (e *explorer) outside(c *candidate) int {
	known := map[cell]bool{}
	add := func(s modbus.Span) {
		for a := int(s.Address); a < s.End(); a++ {
			known[cell{s.Table, a}] = true
		}
	}
	for _, s := range placesOf(c.Profile) {
		add(s)
	}
	for _, r := range c.Registers {
		add(r.Span())
	}
	for _, s := range c.Tables {
		add(s)
	}
	n := 0
	for at, ok := range e.cells {
		if ok && !known[at] {
			n++
		}
	}
	return n
}

// refuses reports whether there are addresses that the unit does not have.
func (e *explorer) refuses() bool {
	for _, ok := range e.cells {
		if !ok {
			return true
		}
	}
	return len(e.lost) > 0
}
