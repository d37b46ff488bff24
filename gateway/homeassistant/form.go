package homeassistant

import (
	"math"
	"slices"
	"strings"
	"time"

	"modferry/gateway/config"
	"modferry/gateway/homeassistant/class"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// Templates. Home Assistant offers a payload of JSON as value_json, also one that is a
// bare list, and shows None as unknown.
const (
	goodQuality = "{{ 'online' if value_json.quality == 'good' else 'offline' }}"
	asJSON      = "{{ {'value': value} | tojson }}" // of a command: text as it is, whatever is in it
)

// form returns the component of a reading, and what of the entity comes from the form
// of its values.
func form(r profile.Reading, payload string) (component string, e entity) {
	value := "value"
	if payload == "json" {
		value = "value_json.value"
		e.ValueTemplate = "{{ value_json.value }}"
	}
	switch {
	case r.Compute != "":
		return computed(r, payload, e)
	case len(r.Names) > 0:
		return named(r, value, e)
	case len(r.Flags) > 0:
		list := "value_json"
		if payload == "json" {
			list = value
		}
		e.ValueTemplate = "{{ None if " + list + " is none else (" + list + " | join(', ') or '-') }}"
		return sensor, e
	case r.Type == register.Bool:
		return boolean(r, payload, e)
	case r.IsNumber():
		return numeric(r, e)
	}
	return textual(r, payload, e)
}

// boolean values are true and false; where the template makes text of JSON, that is
// True and False.
func boolean(r profile.Reading, payload string, e entity) (string, entity) {
	on, off := "true", "false"
	if payload == "json" {
		on, off = "True", "False"
	}
	if r.Set == nil {
		e.DeviceClass = class.Binary(r.Class)
		e.PayloadOn, e.PayloadOff = on, off
		return binarySensor, e
	}
	e.DeviceClass = class.Switch(r.Class)
	e.PayloadOn, e.PayloadOff, e.StateOn, e.StateOff = "true", "false", on, off
	return switching, e
}

func numeric(r profile.Reading, e entity) (string, entity) {
	e.Unit = r.Unit
	e.DeviceClass = class.Numeric(r.Set != nil, r.Class, r.Unit)
	if r.Set == nil {
		e.StateClass = class.State(r.Class)
		if r.Decimals >= 0 {
			e.Precision = &r.Decimals
		}
		return sensor, e
	}
	step := stepOf(r)
	e.Min, e.Max, e.Step, e.Mode = &r.Set.Min, &r.Set.Max, &step, "box"
	return number, e
}

// leastStep is the smallest that Home Assistant takes.
const leastStep = 0.001

// stepOf is the distance of two values that can be written.
func stepOf(r profile.Reading) float64 {
	step := 1.0
	switch {
	case r.Set.Step > 0:
		step = r.Set.Step
	case r.Decimals >= 0:
		step = math.Pow10(-r.Decimals)
	case r.Type.IsFloat():
		step = leastStep
	case r.Scale != 0:
		step = math.Abs(r.Scale)
	}
	return max(step, leastStep)
}

// named values are one of a few names. A number without a name is unknown to a sensor
// and no option of a select.
func named(r profile.Reading, value string, e entity) (string, entity) {
	for _, n := range r.Names {
		if !slices.Contains(e.Options, n.Name) {
			e.Options = append(e.Options, n.Name)
		}
	}
	e.ValueTemplate = "{{ " + value + " if " + value + " in " + list(e.Options) + " else None }}"
	if r.Set != nil {
		e.CommandTemplate = asJSON
		return selecting, e
	}
	e.DeviceClass = "enum"
	return sensor, e
}

// list writes names as a list in a template, whose strings have the escapes of JSON.
func list(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = string(register.Text(n).JSON())
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// mostText is how long a text may be in Home Assistant.
const mostText = 255

// textual values are texts and times.
func textual(r profile.Reading, payload string, e entity) (string, entity) {
	if r.Set == nil {
		if r.Type.IsTime() {
			e.DeviceClass = "timestamp"
		}
		return sensor, e
	}
	if payload == "json" { // this component shows None as it is written
		e.ValueTemplate = "{{ value_json.value | default('', true) }}"
	}
	low, high := 0.0, float64(min(r.DataSize(), mostText))
	if r.Type.IsTime() {
		high = float64(len(time.RFC3339Nano))
	}
	e.Min, e.Max, e.Mode, e.CommandTemplate = &low, &high, "text", asJSON
	return text, e
}

// computed values can be of any form: those with a unit are numbers, those with a class
// that only bools have are bools, and all others are shown as they are.
func computed(r profile.Reading, payload string, e entity) (string, entity) {
	switch {
	case r.Unit != "" || class.Numeric(false, r.Class, "") != "":
		return numeric(r, e)
	case class.Binary(r.Class) != "":
		return boolean(r, payload, e)
	}
	return sensor, e
}

const (
	expiryRounds = 3 // so many publications may be lost in a row
	leastExpiry  = 30 * time.Second
)

// expiry is after how many seconds without a message a value is not known any more. A
// reading that does not change is published at the first sample after its heartbeat.
func expiry(c *config.Config, d config.Device, r profile.Reading) int {
	every := d.EveryOf(&r)
	if r.Compute != "" { // when any of those is sampled that it is computed from
		for _, d := range c.Devices {
			for _, r := range d.Readings {
				every = max(every, d.EveryOf(&r))
			}
		}
	}
	longest := max(d.HeartbeatOf(&r), r.MinInterval) + every
	return int(math.Ceil(max(expiryRounds*longest, leastExpiry).Seconds()))
}
