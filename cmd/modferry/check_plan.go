package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"modferry/gateway/config"
	"modferry/gateway/poll"
)

// fullLoad is the load of a bus above which people's requests and repetitions find
// too little room.
const fullLoad = 80 // percent of the time

// shownRounds bounds what is printed of a device with many intervals; JSON has all.
const shownRounds = 6

// busPlan is what the devices of a bus are asked for.
type busPlan struct {
	Bus      string       `json:"bus"`
	Baud     int          `json:"baud,omitempty"` // of a serial line
	Load     float64      `json:"load_percent"`   // of the time
	Requests float64      `json:"requests_per_second"`
	Bytes    float64      `json:"bytes_per_second"`
	Response float64      `json:"assumed_response_ms"`
	Devices  []devicePlan `json:"devices"`
}

type devicePlan struct {
	Device   string      `json:"device"`
	Unit     byte        `json:"unit"`
	Rounds   []roundPlan `json:"rounds"`             // the most frequent first
	Computed []string    `json:"computed,omitempty"` // readings that are not read
}

// roundPlan is what is read when readings of these intervals are due together.
type roundPlan struct {
	Every     []string   `json:"every"`
	PerSecond float64    `json:"per_second"`
	Reads     []readPlan `json:"reads"`

	intervals []time.Duration // of Every
}

type readPlan struct {
	Function byte     `json:"function"`
	Address  uint16   `json:"address"`
	Quantity int      `json:"quantity"`
	Every    string   `json:"every"` // the shortest interval of the readings
	Readings []string `json:"readings"`
}

func planOf(c *config.Config) []busPlan {
	var plans []busPlan
	for _, b := range c.Buses {
		line := poll.LineOf(b)
		var load poll.Load
		p := busPlan{Bus: b.Name, Response: float64(line.Response) / float64(time.Millisecond), Devices: []devicePlan{}}
		if b.Serial != nil {
			p.Baud = b.Serial.Baud
		}
		for _, d := range c.Devices {
			if d.Bus == b.Name {
				rounds := poll.Rounds(d, line)
				load.Add(line, rounds)
				p.Devices = append(p.Devices, planOfDevice(d, rounds))
			}
		}
		p.Load, p.Requests, p.Bytes = rounded(100*load.Busy), rounded(load.Requests), rounded(load.Bytes)
		plans = append(plans, p)
	}
	return plans
}

func planOfDevice(d config.Device, rounds []poll.Round) devicePlan {
	p := devicePlan{Device: d.Name, Unit: d.Unit, Rounds: []roundPlan{}}
	for _, r := range rounds {
		round := roundPlan{PerSecond: math.Round(r.PerSecond*1e6) / 1e6, intervals: r.Every}
		for _, e := range r.Every {
			round.Every = append(round.Every, interval(e))
		}
		for _, one := range r.Reads {
			read := readPlan{Function: one.Table.ReadFunction(), Address: one.Address, Quantity: one.Quantity, Every: interval(one.Every)}
			for _, i := range one.Readings {
				read.Readings = append(read.Readings, d.Readings[i].Name)
			}
			round.Reads = append(round.Reads, read)
		}
		p.Rounds = append(p.Rounds, round)
	}
	for _, r := range d.Readings {
		if r.Compute != "" {
			p.Computed = append(p.Computed, r.Name)
		}
	}
	return p
}

// rounded keeps one decimal, and of what is below 1 two digits.
func rounded(v float64) float64 {
	unit := 10.0
	for ; v > 0 && v*unit < 10 && unit < 1e12; unit *= 10 {
	}
	return math.Round(v*unit) / unit
}

// decimal writes what is rounded.
func decimal(v float64) string {
	if v >= 1 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// interval writes a duration as a configuration does: 1m, not 1m0s.
func interval(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

func warnOfLoad(w io.Writer, plans []busPlan) {
	for _, p := range plans {
		if p.Load > fullLoad {
			fmt.Fprintf(w, "warning: bus %s will be busy for %.1f %% of the time, more than %d %%, and cannot keep all intervals: choose a longer every, a higher baud rate, or another bus for some of its devices\n",
				p.Bus, p.Load, fullLoad)
		}
	}
}

func printPlan(w io.Writer, plans []busPlan) error {
	var b strings.Builder
	for _, p := range plans {
		fmt.Fprintf(&b, "\nbus %s: %s\n", p.Bus, p.load())
		for _, d := range p.Devices {
			d.print(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *busPlan) load() string {
	if p.Requests == 0 {
		return "nothing is read"
	}
	text := fmt.Sprintf("%s requests and %s bytes per second, ", decimal(p.Requests), decimal(p.Bytes))
	assumed := fmt.Sprintf("if devices take %g ms to answer", p.Response)
	if p.Baud > 0 {
		return fmt.Sprintf("%s%s %% of %d baud %s", text, decimal(p.Load), p.Baud, assumed)
	}
	return fmt.Sprintf("%s%s %% of the time %s", text, decimal(p.Load), assumed)
}

// print writes a list for each interval, and then those of intervals that are due together.
func (d *devicePlan) print(b *strings.Builder) {
	name := fmt.Sprintf("  device %s, unit %d: ", d.Device, d.Unit)
	shown := slices.Clone(d.Rounds[:min(shownRounds, len(d.Rounds))])
	slices.SortStableFunc(shown, func(x, y roundPlan) int {
		return cmp.Or(cmp.Compare(min(2, len(x.intervals)), min(2, len(y.intervals))), slices.Compare(x.intervals, y.intervals))
	})
	for _, round := range shown {
		round.print(b, name)
	}
	if more := len(d.Rounds) - len(shown); more > 0 {
		fmt.Fprintf(b, "%s%s of intervals that are due together more seldom; --json has all\n", name, count(more, "combination", "combinations"))
	}
	if len(d.Computed) > 0 {
		fmt.Fprintf(b, "%scomputed: %s\n", name, strings.Join(d.Computed, ", "))
	}
}

func (r *roundPlan) print(b *strings.Builder, name string) {
	together := ""
	if len(r.Every) > 1 {
		together = " when due together"
	}
	fmt.Fprintf(b, "%sreadings every %s%s, %s\n", name, strings.Join(r.Every, " and every "), together, count(len(r.Reads), "request", "requests"))
	fmt.Fprintf(b, "    function address quantity every    readings\n")
	for _, read := range r.Reads {
		fmt.Fprintf(b, "    %8d %7d %8d %-8s %s\n", read.Function, read.Address, read.Quantity, read.Every, strings.Join(read.Readings, ", "))
	}
}
