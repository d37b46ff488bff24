package scan

import (
	"fmt"
	"strings"
	"unicode"

	"modferry/modbus"
)

// maxReadings bounds what is written of a device that no profile fits.
const maxReadings = 64

// Devices writes the units as the devices section of a gateway's configuration, on a
// bus of that name. Units of which nothing can be read are comments.
func Devices(r *Report, bus string) string {
	var b strings.Builder
	var rest strings.Builder
	b.WriteString("devices:\n")
	written := 0
	for _, u := range r.Units {
		if r.Same && u != r.Units[0] {
			break
		}
		body := u.body()
		if body == "" {
			fmt.Fprintf(&rest, "# Unit %d answers, but nothing that can be read was found.\n", u.Unit)
			continue
		}
		written++
		fmt.Fprintf(&b, "  unit-%d:\n    bus: %s\n    unit: %d\n%s", u.Unit, bus, u.Unit, body)
	}
	if written == 0 {
		return rest.String()
	}
	return b.String() + rest.String()
}

func (u *Unit) body() string {
	if len(u.Matches) > 0 {
		m := u.Matches[0]
		return fmt.Sprintf("    profile: %s # %s: %s\n", m.Profile.Name, m.Certainty, Clean(m.Profile.Title))
	}
	var b strings.Builder
	n := 0
	for _, r := range u.Ranges {
		most := modbus.MaxReadRegisters
		key, kind := keys[r.Table], "uint16"
		if r.Table.IsBits() {
			kind = "bool"
		}
		for at := int(r.First); at <= int(r.Last) && n < maxReadings; at += most {
			quantity := min(most, int(r.Last)-at+1)
			place := fmt.Sprintf("%s: %d", key, at)
			if quantity > 1 {
				place += fmt.Sprintf(", count: %d", quantity)
			}
			fmt.Fprintf(&b, "      %s-%d: {%s, type: %s}\n", key, at, place, kind)
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return "    readings: # what can be read; what it means is in the device's manual\n" + b.String()
}

// keys are the tables as configurations name them.
var keys = map[modbus.Table]string{
	modbus.Coils: "coil", modbus.DiscreteInputs: "discrete", modbus.HoldingRegisters: "holding", modbus.InputRegisters: "input",
}

// TableName is a table as configurations name it.
func TableName(t modbus.Table) string { return keys[t] }

// Clean is text of a device, for a terminal or a comment: nothing in it moves the cursor
// or ends a line.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(text, "·"))
}
