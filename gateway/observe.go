package gateway

import (
	"encoding/json"
	"math"
	"net/http"
	"time"

	"modferry/gateway/bus"
	"modferry/gateway/config"
	"modferry/gateway/tally"
	"modferry/gateway/trace"
)

// observed is what is known of what passes on a bus. It outlives changes of the bus
// in the configuration, but not its end.
type observed struct {
	tally tally.Bus
	trace trace.Recorder
}

func (o *observed) add(t bus.Transaction) {
	o.tally.Add(t)
	o.trace.Add(t)
}

// observe returns what observes a bus.
func (p *plant) observe(name string) *observed {
	o := p.observed[name]
	if o == nil {
		o = &observed{}
		p.observed[name] = o
	}
	return o
}

// forget ends observing buses that c does not have.
func (p *plant) forget(c *config.Config) {
	for name, o := range p.observed {
		if !hasBus(c, name) {
			o.trace.Close()
			delete(p.observed, name)
		}
	}
}

func hasBus(c *config.Config, name string) bool {
	for _, b := range c.Buses {
		if b.Name == name {
			return true
		}
	}
	return false
}

// show has the console answer what passes on the buses.
func (g *Gateway) show(*config.Config) error {
	g.Handle("GET /api/buses", http.HandlerFunc(g.showBuses))
	g.Handle("GET /api/trace", trace.Handler(g.traceOf))
	return nil
}

// traceOf returns the recorder of a bus, nil if there is none.
func (g *Gateway) traceOf(name string) *trace.Recorder {
	for _, l := range *g.plant.lines.Load() {
		if l.bus.Name() == name {
			return &l.observed.trace
		}
	}
	return nil
}

// busReport is a bus as /api/buses shows it.
type busReport struct {
	Name        string       `json:"name"`
	State       bus.State    `json:"state"`
	Error       string       `json:"error,omitempty"`
	Waiting     int          `json:"queue"`
	Limit       int          `json:"queue_limit"`
	InFlight    int          `json:"in_flight"`
	Rate        float64      `json:"rate"`
	Utilisation float64      `json:"utilisation"`
	Polls       tally.Counts `json:"polls"`
	Requests    tally.Counts `json:"requests"`
	Refused     uint64       `json:"refused"`
	Denied      uint64       `json:"denied"`
	Expired     uint64       `json:"expired"`
	Units       []unitReport `json:"units"`
}

type unitReport struct {
	unit    tally.Unit
	devices []string
	resting *bus.Rest
}

// MarshalJSON returns the unit's counters, the devices with its number, and whether polls
// leave it alone.
func (u unitReport) MarshalJSON() ([]byte, error) {
	counters, err := json.Marshal(u.unit)
	if err != nil {
		return nil, err
	}
	more, err := json.Marshal(struct {
		Devices []string  `json:"devices"`
		Resting *bus.Rest `json:"resting,omitempty"`
	}{append([]string{}, u.devices...), u.resting})
	if err != nil {
		return nil, err
	}
	return append(append(counters[:len(counters)-1], ','), more[1:]...), nil
}

// showBuses answers with the state and counters of all buses.
func (g *Gateway) showBuses(w http.ResponseWriter, _ *http.Request) {
	now := time.Now()
	report := struct {
		Time  time.Time   `json:"time"`
		Buses []busReport `json:"buses"`
	}{now.UTC().Truncate(time.Millisecond), []busReport{}}
	c := g.config.Load()
	for _, l := range *g.plant.lines.Load() {
		for _, b := range c.Buses {
			if b.Name == l.bus.Name() {
				report.Buses = append(report.Buses, l.report(b, c.Devices, now))
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_ = json.NewEncoder(w).Encode(report) // whoever asked may be gone
}

func (l *line) report(c config.Bus, devices []config.Device, now time.Time) busReport {
	status, seen := l.bus.Status(), l.observed.tally.Snapshot(now)
	r := busReport{
		Name: c.Name, State: status.State, Error: status.Error, Waiting: status.Queue, Limit: c.Queue, InFlight: inFlight(c),
		Rate: seen.Lately.Rate(), Utilisation: math.Round(1000*seen.Lately.Utilisation(inFlight(c))) / 1000,
		Refused: status.Refused, Denied: status.Denied, Expired: status.Expired, Units: []unitReport{},
	}
	for _, u := range seen.Units {
		r.Polls, r.Requests = r.Polls.Add(u.Polls), r.Requests.Add(u.Requests)
		report := unitReport{unit: u}
		if rest, resting := status.Resting[u.Unit]; resting {
			report.resting = &rest
		}
		for _, d := range devices {
			if d.Bus == c.Name && d.Unit == u.Unit {
				report.devices = append(report.devices, d.Name)
			}
		}
		r.Units = append(r.Units, report)
	}
	return r
}
