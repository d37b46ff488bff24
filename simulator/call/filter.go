package call

import (
	"fmt"
	"slices"
	"strings"

	"modferry/modbus"
	"modferry/simulator/match"
)

// Filter chooses calls; the zero value chooses all.
type Filter struct {
	Since    uint64 // only calls with a greater number
	Units    []match.Range
	Function string // a code, a name, or the groups read and write; "" = all
	Address  []match.Range
	Face     string
	Answered *bool
	Fault    string // that had a part in it
}

// Check returns nil if the filter can be used.
func (f Filter) Check() error {
	if f.Face != "" && !slices.Contains(match.Faces(), f.Face) {
		return fmt.Errorf("face %q: possible are %s", match.Shortened(f.Face), strings.Join(match.Faces(), ", "))
	}
	if f.Function == "" {
		return nil
	}
	_, err := match.Functions(f.Function)
	return err
}

// chooser is a filter that is looked at for each call.
type chooser struct {
	Filter
	functions [128]bool
}

func newChooser(f Filter) *chooser {
	c := &chooser{Filter: f}
	c.functions, _ = match.Functions(f.Function) // it was checked
	return c
}

func (f *chooser) chooses(c *Call) bool {
	if f.Function != "" && (c.PDU.FunctionCode > 127 || !f.functions[c.PDU.FunctionCode]) {
		return false
	}
	if len(f.Address) > 0 && !slices.ContainsFunc(c.Spans(), func(s modbus.Span) bool { return match.Within(f.Address, int(s.Address), s.End()) }) {
		return false
	}
	return c.Number > f.Since &&
		(len(f.Units) == 0 || match.Within(f.Units, int(c.Unit), int(c.Unit)+1)) &&
		(f.Face == "" || f.Face == c.Face) &&
		(f.Answered == nil || *f.Answered == c.Answered()) &&
		(f.Fault == "" || slices.Contains(c.Faults, f.Fault))
}
