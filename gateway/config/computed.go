package config

import (
	"errors"
	"slices"
	"strings"

	"modferry/configs/strictyaml"
	"modferry/gateway/compute"
	"modferry/modbus/profile"
)

// checkComputed reports expressions that cannot be computed from the readings there
// are. What comes from a profile is reported where the device names it.
func checkComputed(n strictyaml.Node, devices []Device) {
	inputs := map[string][]string{}
	var computed []string
	where := map[string]strictyaml.Node{}
	for i, e := range n.Map().Entries() {
		for _, r := range devices[i].Readings {
			if r.Compute == "" {
				continue
			}
			name := e.Name + "." + r.Name
			computed, where[name] = append(computed, name), computeNode(e.Value.Map(), r.Name)
			used, err := expressionInputs(r.Compute, devices, i)
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
// with its device.
func expressionInputs(expression string, devices []Device, i int) ([]string, error) {
	var names []string
	for j, d := range devices {
		if j != i && !strings.Contains(expression, d.Name+".") {
			continue
		}
		for _, r := range d.Readings {
			names = append(names, memberName(d, r, j == i))
		}
	}
	e, err := compute.Compile(expression, names)
	if err != nil {
		return nil, err
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

// memberName names a reading as an expression of its own or of another device does.
func memberName(d Device, r profile.Reading, own bool) string {
	if own {
		return r.Name
	}
	return d.Name + "." + r.Name
}
