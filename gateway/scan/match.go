package scan

import (
	"cmp"
	"errors"
	"slices"

	"modferry/modbus"
	"modferry/modbus/profile"
)

// Certainty is how sure it is that a profile is the device's.
type Certainty string

// The certainties. Likely: what the profile says of the device's own settings is so, or
// much of it fits and no other profile does as well. Possible: nothing contradicts it.
const (
	Likely   Certainty = "likely"
	Possible Certainty = "possible"
)

// Match is a profile that fits.
type Match struct {
	Profile   *profile.Profile
	Certainty Certainty
	For       []string // what speaks for it
	Against   []string // what does not fit
	evidence  int      // how much it weighs together
}

// likely is the weight from which on a match is called so.
const likely = 3

// candidate is a profile whose readings are all there.
type candidate struct {
	*profile.Profile
	match  Match
	values map[string]string
	moved  bool // there is a value that is not 0
}

// candidates returns the profiles all of whose readings the unit answers, with values
// that can be.
func (e *explorer) candidates() ([]*candidate, error) {
	var all []*candidate
	for _, p := range e.o.Profiles {
		there, err := e.has(p)
		if err == nil && there {
			if c := e.candidate(p); c != nil {
				err = e.own(c)
				all = append(all, c)
			}
		}
		if errors.Is(err, errSpent) {
			e.unit.Partly = true
			return all, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// has reads what the profile's readings are in, and reports whether all of it is there.
func (e *explorer) has(p *profile.Profile) (bool, error) {
	spans := placesOf(p)
	if len(spans) == 0 {
		return false, nil
	}
	for _, s := range spans {
		if known, ok := e.known(s); e.lost[s.Table] || known && !ok {
			return false, nil // without a request
		}
	}
	if ok, err := e.read(spans[0]); !ok || err != nil { // most profiles are ruled out by that
		return false, err
	}
	for _, joint := range joined(spans, p.Limits) {
		if ok, err := e.read(joint[0]); ok || err != nil {
			if err != nil {
				return false, err
			}
			continue
		}
		for _, s := range joint[1:] {
			if ok, err := e.read(s); !ok || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// placesOf returns where the readings are, in the order of addresses.
func placesOf(p *profile.Profile) []modbus.Span {
	var spans []modbus.Span
	for _, r := range p.Readings {
		if r.Compute == "" && !slices.Contains(spans, r.Span()) {
			spans = append(spans, r.Span())
		}
	}
	slices.SortFunc(spans, byAddress)
	return spans
}

func byAddress(a, b modbus.Span) int {
	return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Address, b.Address))
}

// joined puts neighbours together: each list begins with what all of it is in.
func joined(spans []modbus.Span, limits profile.Limits) [][]modbus.Span {
	var all [][]modbus.Span
	for _, s := range spans {
		most := cmp.Or(limits.Registers, modbus.MaxReadRegisters)
		if s.Table.IsBits() {
			most = cmp.Or(limits.Bits, modbus.MaxReadBits)
		}
		if n := len(all); n > 0 {
			whole := &all[n-1][0]
			if end := max(whole.End(), s.End()); whole.Table == s.Table && int(s.Address) <= whole.End() && end-int(whole.Address) <= most {
				whole.Quantity = end - int(whole.Address)
				all[n-1] = append(all[n-1], s)
				continue
			}
		}
		all = append(all, []modbus.Span{s, s})
	}
	return all
}
