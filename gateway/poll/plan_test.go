package poll

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"modferry/gateway/config"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// serialLine is 9600 8N1.
func serialLine(baud int) config.Bus {
	return config.Bus{Name: "rs485", Serial: &config.Serial{Path: "/dev/ttyUSB0", Baud: baud, Parity: "none", DataBits: 8, StopBits: 1, Mode: modbus.RTU}}
}

func place(t modbus.Table, typ register.Type, from, to uint16) []profile.Reading {
	step := uint16(1)
	if typ == register.Float32 {
		step = 2
	}
	var all []profile.Reading
	for a := from; a <= to; a += step {
		all = append(all, profile.Reading{Name: fmt.Sprintf("%s-%d", strings.ReplaceAll(t.String(), " ", "-"), a), Field: register.Field{
			Table: t, Address: a, Type: typ, Bit: -1, Decimals: register.Auto,
		}})
	}
	return all
}

// energyMeter is a three-phase meter as they are: float32 values in input registers
// with holes between their groups, parameters in holding registers, relays and alarms.
// It has 300 readings; energies are read once a minute, parameters every ten minutes.
func energyMeter() config.Device {
	d := config.Device{Name: "meter", Bus: "rs485", Unit: 1, Every: time.Second, Limits: profile.DefaultLimits()}
	add := func(every time.Duration, readings []profile.Reading) {
		for _, r := range readings {
			r.Every = every
			d.Readings = append(d.Readings, r)
		}
	}
	for _, bank := range []uint16{0, 0x400} { // two channels
		add(0, place(modbus.InputRegisters, register.Float32, bank, bank+70)) // voltages, currents, powers
		add(time.Minute, place(modbus.InputRegisters, register.Float32, bank+72, bank+86))
		add(0, place(modbus.InputRegisters, register.Float32, bank+100, bank+106)) // demands
		add(0, place(modbus.InputRegisters, register.Float32, bank+200, bank+206)) // line to line
		add(0, place(modbus.InputRegisters, register.Float32, bank+224, bank+224))
		add(0, place(modbus.InputRegisters, register.Float32, bank+234, bank+268)) // distortion
		add(time.Minute, place(modbus.InputRegisters, register.Float32, bank+334, bank+382))
	}
	add(10*time.Minute, place(modbus.HoldingRegisters, register.Float32, 0, 4))
	add(10*time.Minute, place(modbus.HoldingRegisters, register.Float32, 10, 12))
	add(10*time.Minute, place(modbus.HoldingRegisters, register.Float32, 18, 28))
	add(10*time.Minute, place(modbus.HoldingRegisters, register.Float32, 86, 100))
	add(10*time.Minute, place(modbus.HoldingRegisters, register.Float32, 0xF010, 0xF01E))
	add(0, place(modbus.Coils, register.Bool, 0, 15))
	add(0, place(modbus.Coils, register.Bool, 32, 47))
	add(0, place(modbus.DiscreteInputs, register.Bool, 0, 48))
	return d
}

// allAtOnce returns the reads that fetch all readings of a device on a line.
func allAtOnce(d config.Device, l Line) []Read {
	p := newPlanner(d, l)
	return p.plan(p.allClasses())
}

func TestPlanOfAnEnergyMeter(t *testing.T) {
	d := energyMeter()
	if len(d.Readings) != 300 {
		t.Fatalf("%d readings", len(d.Readings))
	}
	line := LineOf(serialLine(9600))
	if n := len(allAtOnce(d, line)); n != 15 {
		t.Errorf("all at once in %d requests", n)
	}
	var load Load
	var got []string
	for _, round := range Rounds(d, line) {
		t.Logf("every %v, %.4f times a second: %d requests", round.Every, round.PerSecond, len(round.Reads))
		for _, r := range round.Reads {
			t.Logf("  function %d, %5d + %4d: %d readings", r.Table.ReadFunction(), r.Address, r.Quantity, len(r.Readings))
		}
		got = append(got, fmt.Sprintf("%v: %d", round.Every, len(round.Reads)))
	}
	load.Add(line, Rounds(d, line))
	t.Logf("%.2f requests a second, %.0f bytes, the line is busy for %.1f %% of the time", load.Requests, load.Bytes, 100*load.Busy)
	want(t, got, "[1s]: 10", "[1s 1m0s]: 12", "[1s 1m0s 10m0s]: 15")
}

func TestJoinsOnlyWhereThatTakesTheLineLess(t *testing.T) {
	far := func(gap uint16) config.Device {
		d := pollEvery(time.Second, words(0, gap+1))
		d.Limits.Gap = 100
		return d
	}
	tcp := config.Bus{TCP: &config.TCP{Framing: modbus.TCP}}
	slow := serialLine(9600)
	slow.Delay = 100 * time.Millisecond
	for _, c := range []struct {
		name   string
		bus    config.Bus
		widest uint16 // the widest gap that is read along
	}{
		// 13 bytes of a request and its reply, two silences of 3.5 characters and 10 ms
		// are as long as 29.6 characters of 1.04 ms; a register is two.
		{"9600 baud", serialLine(9600), 14},
		{"1200 baud", serialLine(1200), 10},
		{"115200 baud", serialLine(115200), 84},
		{"9600 baud, 100 ms of quiet", slow, 62},
		{"a network", tcp, 100},
	} {
		for gap := uint16(0); gap <= 110; gap++ {
			requests := len(allAtOnce(far(gap), LineOf(c.bus)))
			if joined := requests == 1; joined != (gap <= c.widest) {
				t.Errorf("%s: a gap of %d is read in %d requests, the widest is %d", c.name, gap, requests, c.widest)
			}
		}
	}
}

func TestReadsKeepTheLimits(t *testing.T) {
	bits := func(from, to uint16) []profile.Reading { return place(modbus.Coils, register.Bool, from, to) }
	wide := words(1000)
	wide[0].Count = 100
	for name, c := range map[string]struct {
		limits   profile.Limits
		readings []profile.Reading
		want     string
	}{
		"the protocol's":         {profile.Limits{}, words(row(0, 299, 1)...), "4 0+125, 4 125+125, 4 250+50"},
		"the device's":           {profile.Limits{Registers: 100}, words(row(0, 299, 1)...), "4 0+100, 4 100+100, 4 200+100"},
		"no gap":                 {profile.Limits{}, words(1, 2, 4), "4 1+2, 4 4+1"},
		"a gap":                  {profile.Limits{Gap: 1}, words(1, 2, 4, 7), "4 1+4, 4 7+1"},
		"bits of the protocol":   {profile.Limits{}, bits(0, 2000), "1 0+2000, 1 2000+1"},
		"bits of the device":     {profile.Limits{Bits: 16}, bits(0, 20), "1 0+16, 1 16+5"},
		"gap of bits":            {profile.Limits{Gap: 1}, append(bits(0, 0), append(bits(17, 17), bits(35, 35)...)...), "1 0+18, 1 35+1"},
		"wider than the limit":   {profile.Limits{Registers: 50}, append(words(999, 1100), wide...), "4 999+1, 4 1000+100, 4 1100+1"},
		"inside another":         {profile.Limits{}, append(words(1005, 1099), wide...), "4 1000+100"},
		"the end of the table":   {profile.Limits{Gap: 8}, words(65533, 65535), "4 65533+3"},
		"less data of two ways":  {profile.Limits{Registers: 10, Gap: 8}, words(0, 8, 9, 12), "4 0+1, 4 8+5"},
		"the same place, twice":  {profile.Limits{}, append(words(5), words(5)...), "4 5+1"},
		"nothing but a computed": {profile.Limits{}, []profile.Reading{{Name: "sum", Compute: "a+b"}}, ""},
	} {
		var got []string
		d := config.Device{Every: time.Second, Limits: c.limits, Readings: c.readings}
		for _, r := range allAtOnce(d, LineOf(config.Bus{})) {
			got = append(got, fmt.Sprintf("%d %d+%d", r.Table.ReadFunction(), r.Address, r.Quantity))
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
	}
}

// Whatever the readings are, each is in one read that has all of it, and no read is
// beyond the limits.
func FuzzPlan(f *testing.F) {
	f.Add([]byte{1, 0, 2, 4, 1, 9, 3, 3, 200}, 8, 20, 125)
	f.Add([]byte{4, 0, 125, 4, 3, 1, 4, 200, 30}, 0, 0, 10)
	f.Fuzz(func(t *testing.T, places []byte, gap, most, baud int) {
		d := config.Device{Limits: profile.Limits{Gap: max(0, gap%124), Registers: 1 + max(0, most%125)}}
		for i := 0; i+2 < len(places) && i < 300; i += 3 {
			d.Readings = append(d.Readings, profile.Reading{Every: time.Duration(1+places[i]/64) * time.Second, Field: register.Field{
				Table: modbus.Table(1 + places[i]%4), Address: uint16(places[i+1]), Count: 1 + int(places[i+2])%100, Type: register.Uint16,
			}})
			if r := &d.Readings[i/3]; r.Table.IsBits() {
				r.Type = register.Bool
			}
		}
		seen := make([]int, len(d.Readings))
		for _, r := range allAtOnce(d, LineOf(serialLine(1200+max(0, baud%100_000)))) {
			for _, i := range r.Readings {
				s := d.Readings[i].Span()
				if seen[i]++; s.Table != r.Table || s.Address < r.Address || s.End() > int(r.Address)+r.Quantity {
					t.Fatalf("%+v is read by %d + %d", s, r.Address, r.Quantity)
				}
			}
			if len(r.spans) > 1 && !r.Table.IsBits() && r.Quantity > d.Limits.Registers {
				t.Fatalf("%d registers are read, the limit is %d", r.Quantity, d.Limits.Registers)
			}
		}
		for i, n := range seen {
			if n != 1 {
				t.Fatalf("reading %d is in %d reads", i, n)
			}
		}
	})
}
