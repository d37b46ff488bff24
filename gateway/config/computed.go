package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"modferry/configs/strictyaml"
	"modferry/gateway/message"
	"modferry/modbus/compute"
	"modferry/modbus/profile"
)

// checkComputed reports expressions that cannot be computed from the readings there
// are. What comes from a profile is reported where the device names it.
func checkComputed(n strictyaml.Node, devices []Device) {
	c := computedCheck{devices: devices, byName: make(map[string]int, len(devices)), done: map[string]*checked{}}
	var computed []string
	for i, d := range devices {
		c.byName[d.Name] = i
	}
	for i, e := range n.Map().Entries() {
		for _, r := range devices[i].Readings {
			if r.Compute == "" {
				continue
			}
			result := c.check(i, r)
			node := computeNode(e.Value.Map(), r.Name)
			computed, result.node = append(computed, e.Name+"."+r.Name), node
			if result.err != nil {
				node.Problemf("reading %s cannot be computed: %v", r.Name, result.err)
			} else if result.kind.IsText() && (r.Deadband != profile.Deadband{} || r.Scale != 1 || r.Offset != 0 || r.Decimals >= 0) {
				node.Problemf("the result is a text: remove deadband, scale, offset and decimals")
			}
		}
	}
	_, err := compute.Order(computed, func(name string) []string {
		if result := c.done[name]; result != nil {
			return result.inputs
		}
		return nil
	})
	var cycle *compute.CycleError
	if errors.As(err, &cycle) {
		c.done[cycle.Names[0]].node.Problemf("%v", err)
	}
}

// computedCheck goes through computed readings, each after those it uses.
type computedCheck struct {
	devices []Device
	byName  map[string]int      // their indices
	done    map[string]*checked // by device.reading; one that is begun is of no known kind
}

type checked struct {
	inputs []string // each with its device
	kind   compute.Kind
	err    error
	node   strictyaml.Node // of the expression
}

func (c *computedCheck) check(device int, r profile.Reading) *checked {
	name := c.devices[device].Name + "." + r.Name
	if result := c.done[name]; result != nil {
		return result
	}
	result := &checked{}
	c.done[name] = result
	e, err := c.compile(r.Compute, device)
	if err != nil {
		result.err = cmp.Or(c.unknownMember(r.Compute), err)
		return result
	}
	result.kind = e.Result().Shown(r.Field)
	for _, input := range e.Inputs() {
		if c.reading(device, input) != nil {
			input = c.devices[device].Name + "." + input
		}
		result.inputs = append(result.inputs, input)
	}
	return result
}

// kindOf returns the kind of a reading as device names it.
func (c *computedCheck) kindOf(device int, name string) compute.Kind {
	r := c.reading(device, name)
	if r == nil {
		of, reading, _ := strings.Cut(name, ".")
		if device = c.byName[of]; c.reading(device, reading) == nil {
			return compute.Kind{} // cannot be: the expression has only names that it was given
		}
		r = c.reading(device, reading)
	}
	if r.Compute != "" {
		return c.check(device, *r).kind
	}
	return compute.KindOf(r.Field)
}

func (c *computedCheck) reading(device int, name string) *profile.Reading {
	readings := c.devices[device].Readings
	i := slices.IndexFunc(readings, func(r profile.Reading) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return &readings[i]
}

// computeNode is the expression of a reading, or the profile that has it.
func computeNode(device *strictyaml.Map, reading string) strictyaml.Node {
	if own := device.Get("readings"); own.IsMap() {
		if r := own.Map().Get(reading); r.IsMap() {
			return r.Map().Get("compute")
		}
	}
	return device.Get("profile")
}

// compile prepares an expression of a device with all readings that it may use.
func (c *computedCheck) compile(expression string, device int) (*compute.Expression, error) {
	var names []string
	for _, r := range c.devices[device].Readings {
		names = append(names, r.Name)
	}
	for _, j := range mentioned(expression, c.byName) {
		if j == device {
			continue
		}
		for _, r := range c.devices[j].Readings {
			names = append(names, c.devices[j].Name+"."+r.Name)
		}
	}
	return compute.Compile(expression, compute.Scope{
		Device: c.devices[device].Name, Names: names,
		KindOf: func(name string) compute.Kind { return c.kindOf(device, name) },
	})
}

var member = regexp.MustCompile(`([A-Za-z0-9_-]+)\.([A-Za-z_][A-Za-z0-9_-]*)`)

// unknownMember says which reading of another device there is not; nil if that is not
// what is wrong with an expression.
func (c *computedCheck) unknownMember(expression string) error {
	for _, m := range member.FindAllStringSubmatch(expression, -1) {
		i, ok := c.byName[m[1]]
		if !ok {
			return fmt.Errorf("there is no device %s with a reading %s", m[1], m[2])
		}
		if c.reading(i, m[2]) == nil {
			return fmt.Errorf("device %s has no reading %s", m[1], m[2])
		}
	}
	return nil
}

// mentioned returns the devices whose name stands before a dot. Where names and minus
// signs cannot be told apart, that is each device it could be.
func mentioned(expression string, byName map[string]int) []int {
	var found []int
	for end := range len(expression) {
		if expression[end] != '.' {
			continue
		}
		for start := end - 1; start >= 0 && message.ValidName(expression[start:end]); start-- {
			if j, ok := byName[expression[start:end]]; ok {
				found = append(found, j)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
