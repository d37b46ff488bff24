package main

import (
	"fmt"
	"io"
	"math"
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
	Device string      `json:"device"`
	Unit   byte        `json:"unit"`
	Rounds []roundPlan `json:"rounds"`
}

// roundPlan is what is read when readings of these intervals are due together.
type roundPlan struct {
	Every     []string   `json:"every"`
	PerSecond float64    `json:"per_second"`
	Reads     []readPlan `json:"reads"`
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
		round := roundPlan{PerSecond: math.Round(r.PerSecond*1e6) / 1e6}
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
	return p
}

// rounded keeps one decimal.
func rounded(v float64) float64 { return math.Round(v*10) / 10 }

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
	text := fmt.Sprintf("%.1f requests and %.1f bytes per second, ", p.Requests, p.Bytes)
	assumed := fmt.Sprintf("if devices take %g ms to answer", p.Response)
	if p.Baud > 0 {
		return fmt.Sprintf("%s%.1f %% of %d baud %s", text, p.Load, p.Baud, assumed)
	}
	return fmt.Sprintf("%s%.1f %% of the time %s", text, p.Load, assumed)
}

func (d *devicePlan) print(b *strings.Builder) {
	for i, round := range d.Rounds {
		if i == shownRounds {
			fmt.Fprintf(b, "  device %s, unit %d: %s that are rarer; --json has all\n", d.Device, d.Unit, count(len(d.Rounds)-i, "combination", "combinations"))
			break
		}
		together := ""
		if len(round.Every) > 1 {
			together = " together"
		}
		fmt.Fprintf(b, "  device %s, unit %d: every %s%s, %s\n", d.Device, d.Unit, strings.Join(round.Every, " and "), together, count(len(round.Reads), "request", "requests"))
		if i == 0 {
			fmt.Fprintf(b, "    function address quantity every    readings\n")
		}
		for _, r := range round.Reads {
			fmt.Fprintf(b, "    %8d %7d %8d %-8s %s\n", r.Function, r.Address, r.Quantity, r.Every, strings.Join(r.Readings, ", "))
		}
	}
}
