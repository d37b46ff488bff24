package main

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"modferry/configs"
	"modferry/gateway/scan"
	"modferry/modbus"
	"modferry/modbus/profile"
)

// gatewayPatience is how long a gateway may take for its reply, beyond what the device
// may: other requests have their turns, too.
const (
	gatewayPatience = 15 * time.Second
	firstPatience   = 5 * time.Second // until the first reply
)

func (f scanFlags) options(ctx context.Context) (o scan.Options, err error) {
	switch err := f.checkWay(); {
	case err != nil:
		return o, err
	case f.timeout < time.Millisecond:
		return o, usage("--timeout %v: it must be at least 1ms", f.timeout)
	case f.requests < 1:
		return o, usage("--requests %d: it must be at least 1", f.requests)
	case f.serial == "" && (f.searchBaud != nil || f.searchParity):
		return o, usage("--search-baud and --search-parity are for --serial PORT: only there the port can be set")
	}
	o = scan.Options{Timeout: f.timeout, Requests: f.requests, Settings: f.settings()}
	if o.Units, err = f.unitList(); err != nil {
		return o, err
	}
	for _, text := range f.probes {
		span, ok := parsePlace(text)
		if !ok || span.Quantity != 1 {
			return o, usage("--probe %s: expected a table and an address, such as holding:0 or input:0x100", text)
		}
		o.Probes = append(o.Probes, modbus.ReadRequest(span.Table.ReadFunction(), span.Address, 1))
	}
	for _, text := range f.ranges {
		if slices.Contains(f.ranges, "none") {
			break
		}
		span, ok := parsePlace(text)
		if !ok {
			return o, usage("--ranges %s: expected a table and addresses, such as holding:0-99 or input:0x100-0x1FF, or none", text)
		}
		o.Ranges = append(o.Ranges, span)
	}
	for _, name := range profile.Names(configs.Files) {
		p, err := profile.Load(configs.Files, name)
		if err != nil {
			return o, err
		}
		o.Profiles = append(o.Profiles, p)
	}
	o.Open = func(s scan.Setting) (scan.Way, error) { return f.open(ctx, s) }
	return o, nil
}

// settings are those of the serial port to try.
func (f scanFlags) settings() []scan.Setting {
	if f.serial == "" {
		return nil
	}
	rates, parities := f.searchBaud, []string{f.parity}
	if len(rates) == 0 {
		rates = []int{f.baud}
	}
	if f.searchParity {
		parities = []string{"none", "even", "odd"}
	}
	var all []scan.Setting
	for _, parity := range parities {
		for _, baud := range rates {
			all = append(all, scan.Setting{Baud: baud, Parity: parity})
		}
	}
	return all
}

// open opens the way that the flags name.
func (f scanFlags) open(ctx context.Context, s scan.Setting) (scan.Way, error) {
	if f.broker != "" {
		o, err := f.remote(nil)
		if err != nil {
			return nil, err
		}
		if f.deviceTimeout {
			o.Device = f.timeout
		}
		bus, leave := visit(ctx, o)
		return &scan.Gateway{Bus: bus, Patience: gatewayPatience, First: firstPatience, Leave: leave}, nil
	}
	if f.serial != "" {
		f.baud, f.parity = s.Baud, s.Parity
	}
	line, err := f.line()
	if err != nil {
		return nil, err
	}
	way := scan.Line{Transporter: line}
	if err := way.Connect(ctx); err != nil {
		way.Close()
		return nil, err
	}
	return way, nil
}

// unitList reads --units.
func (f scanFlags) unitList() ([]byte, error) {
	most := int(modbus.MaxUnit)
	if f.tcp+f.udp+f.tls != "" && f.framing == "mbap" {
		most = int(modbus.TCPUnit)
	}
	var all []byte
	seen := map[int]bool{}
	for part := range strings.SplitSeq(f.units, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		first, err := strconv.Atoi(strings.TrimSpace(from))
		last := first
		if err == nil && isRange {
			last, err = strconv.Atoi(strings.TrimSpace(to))
		}
		if err != nil || first < 1 || last > most || first > last {
			return nil, usage("--units %s: expected numbers and ranges from 1 to %d, such as 1-10,32", f.units, most)
		}
		for unit := first; unit <= last; unit++ {
			if !seen[unit] {
				seen[unit] = true
				all = append(all, byte(unit))
			}
		}
	}
	return all, nil
}

// parsePlace reads addresses of a table, such as holding:0-99.
func parsePlace(text string) (s modbus.Span, ok bool) {
	name, addresses, _ := strings.Cut(text, ":")
	for _, table := range []modbus.Table{modbus.Coils, modbus.DiscreteInputs, modbus.HoldingRegisters, modbus.InputRegisters} {
		if scan.TableName(table) == strings.TrimSpace(name) {
			s, ok = parseSpan(addresses)
			s.Table = table
			return s, ok
		}
	}
	return s, false
}
