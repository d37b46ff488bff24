package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"modferry/configs/strictyaml"
	"modferry/gateway/compute"
	"modferry/gateway/message"
	"modferry/modbus/profile"
)

// checkComputed reports expressions that cannot be computed from the readings there
// are. What comes from a profile is reported where the device names it.
func checkComputed(n strictyaml.Node, devices []Device) {
	inputs := map[string][]string{}
	var computed []string
	where := map[string]strictyaml.Node{}
	byName := make(map[string]int, len(devices))
	for i, d := range devices {
		byName[d.Name] = i
	}
	for i, e := range n.Map().Entries() {
		for _, r := range devices[i].Readings {
			if r.Compute == "" {
				continue
			}
			name := e.Name + "." + r.Name
			computed, where[name] = append(computed, name), computeNode(e.Value.Map(), r.Name)
			used, err := expressionInputs(r.Compute, devices, i, byName)
			if err != nil {
				where[name].Problemf("reading %s cannot be computed: %v", r.Name, err)
			}
			inputs[name] = used
		}
	}
	_, err := compute.Order(computed, func(name string) []string { return inputs[name] })
	var cycle *compute.CycleError
	if errors.As(err, &cycle) {
		where[cycle.Names[0]].Problemf("%v", err)
	}
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

// expressionInputs returns the names of what a reading of device i is computed from, each
// with its device. byName holds the devices' indices.
func expressionInputs(expression string, devices []Device, i int, byName map[string]int) ([]string, error) {
	var names []string
	for _, r := range devices[i].Readings {
		names = append(names, r.Name)
	}
	for _, j := range mentioned(expression, byName) {
		if j == i {
			continue // its readings have no dot here
		}
		for _, r := range devices[j].Readings {
			names = append(names, devices[j].Name+"."+r.Name)
		}
	}
	e, err := compute.Compile(expression, names)
	if err != nil {
		return nil, cmp.Or(unknownMember(expression, devices, byName), err)
	}
	own := devices[i].Readings
	inputs := slices.Clone(e.Inputs())
	for k, name := range inputs {
		if slices.ContainsFunc(own, func(r profile.Reading) bool { return r.Name == name }) {
			inputs[k] = devices[i].Name + "." + name
		}
	}
	return inputs, nil
}

var member = regexp.MustCompile(`([A-Za-z0-9_-]+)\.([A-Za-z_][A-Za-z0-9_-]*)`)

// unknownMember says which reading of another device there is not; nil if that is not
// what is wrong with an expression.
func unknownMember(expression string, devices []Device, byName map[string]int) error {
	for _, m := range member.FindAllStringSubmatch(expression, -1) {
		i, ok := byName[m[1]]
		if !ok {
			return fmt.Errorf("there is no device %s with a reading %s", m[1], m[2])
		}
		if !slices.ContainsFunc(devices[i].Readings, func(r profile.Reading) bool { return r.Name == m[2] }) {
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
