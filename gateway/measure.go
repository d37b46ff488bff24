package gateway

import (
	"net/http"
	"time"

	"modferry/gateway/metrics"
)

// Metrics answers with how the gateway is, for Prometheus.
func (g *Gateway) Metrics(version string) http.Handler { return metrics.Handler(version, g.measure) }

func (g *Gateway) measure() metrics.Snapshot {
	s, now, c := metrics.Snapshot{MQTT: g.session.Status(), Backlog: g.backlog.Stats()}, time.Now(), g.config.Load()
	for _, l := range *g.plant.lines.Load() {
		for _, b := range c.Buses {
			if b.Name == l.bus.Name() {
				s.Buses = append(s.Buses, metrics.Bus{Name: b.Name, Status: l.bus.Status(), Limit: b.Queue, InFlight: inFlight(b), Seen: l.observed.tally.Snapshot(now)})
			}
		}
	}
	return s
}
