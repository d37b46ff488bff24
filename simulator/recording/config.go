package recording

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// ConfigFile is the name of the simulator's configuration.
const ConfigFile = "simulator.yaml"

// writeConfig writes a configuration of the simulator that shows the device.
func (c *Recording) writeConfig(to io.Writer) error {
	w := bufio.NewWriter(to)
	fmt.Fprintf(w, "# %s\n# modferry simulator -c %s\n\ndevices:\n  - unit: %d\n", c.headline(), ConfigFile, c.Unit)
	title := "Recorded device"
	if c.profile != nil {
		title = c.profile.Title
	}
	fmt.Fprintf(w, "    title: %s\n", quoted(title))
	if p := c.profile; p != nil && p.Serial.Baud > 0 {
		fmt.Fprintf(w, "    serial: {baud: %d, parity: %s, data_bits: %d, stop_bits: %d}\n", p.Serial.Baud, p.Serial.Parity, p.Serial.DataBits, p.Serial.StopBits)
	}
	if p := c.profile; p != nil && (p.Limits.Registers > 0 && p.Limits.Registers < modbus.MaxReadRegisters || p.Limits.Bits > 0 && p.Limits.Bits < modbus.MaxReadBits) {
		fmt.Fprintf(w, "    limits: {registers: %d, bits: %d}\n", p.Limits.Registers, p.Limits.Bits)
	}
	if codes := c.functions(); codes != nil {
		fmt.Fprintf(w, "    functions: [%s]\n", strings.Join(codes, ", "))
	}
	fmt.Fprintf(w, "    registers:\n")
	for _, e := range c.entries {
		fmt.Fprintf(w, "      %s: {%s}\n", e.Name, strings.Join(e.keys(), ", "))
	}
	fmt.Fprintf(w, "tcp: 127.0.0.1:5020\n# clock: {speed: 60} # a minute of the recording in a second\n")
	if faults := c.faults(); len(faults) > 0 {
		fmt.Fprintf(w, "faults: # what reads get that is not exception 02\n")
		for _, f := range faults {
			fmt.Fprintf(w, "  - {%s}\n", f)
		}
	}
	return w.Flush()
}

// quoted returns a text in quotes, without control characters and variables.
func quoted(text string) string {
	return strconv.Quote(strings.ReplaceAll(oneLine(text), "$", "$$"))
}

// standard are the functions of every virtual device.
var standard = []byte{1, 2, 3, 4, 5, 6, 8, 15, 16, 22, 23, 24}

// functions returns what the device has, nil if nothing tells.
func (c *Recording) functions() (codes []string) {
	has := standard
	if c.profile != nil && c.profile.Functions != nil {
		has = c.profile.Functions
	} else if len(c.lost) == 0 {
		return nil
	}
	for _, code := range has {
		isLost := false
		for t := range c.lost {
			isLost = isLost || t.ReadFunction() == code
		}
		if !isLost && slices.Contains(standard, code) {
			codes = append(codes, strconv.Itoa(int(code)))
		}
	}
	return codes
}

// faults are for what the simulator's tables do not refuse as the device did.
func (c *Recording) faults() (all []string) {
	for _, h := range c.Holes {
		act := fmt.Sprintf("exception: %d", h.Exception)
		switch h.Exception {
		case modbus.IllegalDataAddress, modbus.IllegalFunction:
			continue
		case silent:
			act = "drop: request"
		}
		all = append(all, fmt.Sprintf("name: %s-0x%04X, units: %d, functions: [%d], addresses: 0x%04X-0x%04X, %s",
			words[h.Table], h.First, c.Unit, h.Table.ReadFunction(), h.First, h.Last, act))
	}
	for _, t := range []modbus.Table{modbus.Coils, modbus.DiscreteInputs, modbus.HoldingRegisters, modbus.InputRegisters} {
		l, most := c.limits[t], modbus.MaxReadRegisters
		if t.IsBits() {
			most = modbus.MaxReadBits
		}
		if l.most > 0 {
			all = append(all, fmt.Sprintf("name: %s-quantity, units: %d, functions: [%d], quantities: %d-%d, exception: %d",
				words[t], c.Unit, t.ReadFunction(), l.most+1, most, l.exception))
		}
	}
	return all
}

// keys returns the entry as keys of the configuration.
func (e *entry) keys() []string {
	keys := e.place()
	if e.block != nil {
		if !e.Table.IsInput() {
			keys = append(keys, "read_only: true")
		}
		return append(keys, fmt.Sprintf("replay: {file: %s, column: %s, time: %s, sample: 1ms}", ValuesFile, e.Name, timeColumn))
	}
	keys = append(keys, e.initial())
	if !math.IsInf(e.Min, -1) {
		keys = append(keys, "min: "+plain(e.Min))
	}
	if !math.IsInf(e.Max, 1) {
		keys = append(keys, "max: "+plain(e.Max))
	}
	if e.ReadOnly && !e.Table.IsInput() {
		keys = append(keys, "read_only: true")
	}
	if e.Refusal > 0 && e.ReadOnly {
		keys = append(keys, fmt.Sprintf("refusal: %d", e.Refusal))
	}
	return append(keys, e.behaviour()...)
}

// place says where the register lies and what is in it.
func (e *entry) place() []string {
	keys := []string{fmt.Sprintf("%s: 0x%04X", words[e.Table], e.Address)}
	if !e.Table.IsBits() {
		keys = append(keys, "type: "+e.Type.String())
	}
	if e.IsBlock() || e.Type == register.String {
		keys = append(keys, fmt.Sprintf("count: %d", max(1, e.Count)))
	}
	if e.Order != register.Big {
		keys = append(keys, "order: "+e.Order.String())
	}
	if e.Scale != 0 && e.Scale != 1 {
		keys = append(keys, "scale: "+plain(e.Scale))
	}
	if e.Offset != 0 {
		keys = append(keys, "offset: "+plain(e.Offset))
	}
	var none []string
	for _, raw := range e.NoData {
		none = append(none, fmt.Sprintf("0x%X", raw))
	}
	if none != nil {
		keys = append(keys, "no_data: ["+strings.Join(none, ", ")+"]")
	}
	return keys
}

func (e *entry) initial() string {
	if e.IsText() {
		return "initial: " + strconv.Quote(e.Text)
	}
	var all []string
	for _, v := range e.Each {
		all = append(all, plain(v))
	}
	for _, v := range e.Exact {
		if all = append(all, v.String()); !wholeNumber.MatchString(v.String()) {
			all[len(all)-1] = plain(v.Float())
		}
	}
	if len(all) == 1 {
		return "initial: " + all[0]
	}
	return "initial: [" + strings.Join(all, ", ") + "]"
}

// behaviour is what the profile says about writes.
func (e *entry) behaviour() (keys []string) {
	var codes []string
	for _, code := range e.Codes {
		codes = append(codes, fmt.Sprintf("%d: %d", code.Written, code.Means))
	}
	if codes != nil {
		keys = append(keys, "codes: {"+strings.Join(codes, ", ")+"}")
	}
	if e.Coded {
		keys = append(keys, "reads: code")
	}
	if role := map[profile.Role]string{profile.UnitID: "unit", profile.BaudRate: "baud"}[e.Role]; role != "" {
		keys = append(keys, "is: "+role)
	}
	if e.Applies == profile.AtRestart {
		keys = append(keys, "applies: restart")
	}
	return keys
}

// plain writes a number without an exponent.
func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
