package metrics

import (
	"bytes"
	"errors"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"

	"modferry/gateway/backlog"
	"modferry/gateway/bus"
	"modferry/gateway/gatewaytest"
	"modferry/gateway/mqtt"
	"modferry/gateway/tally"
)

// plant is a gateway with something to say of everything.
func plant() *Snapshot {
	s := &Snapshot{
		version: `1.0 "quoted" \ back`,
		MQTT:    mqtt.Status{Connected: true, Connects: 3, Dropped: 1},
		Backlog: backlog.Stats{Count: 7, Bytes: 700, Waiting: 2, Replayed: 5, Dropped: backlog.Dropped{Full: 1, Disk: 2, Memory: 3}, Err: errors.New("full")},
		Buses:   []Bus{{Name: "idle", Limit: 64, InFlight: 1, Status: bus.Status{State: bus.Unknown}}},
	}
	var seen tally.Bus
	now := time.Now()
	for i, took := range []time.Duration{time.Millisecond, 30 * time.Millisecond, 10 * time.Second} {
		seen.Add(bus.Transaction{Unit: 1, Poll: i == 0, Outcome: bus.Good, Start: now, Elapsed: took})
	}
	seen.Add(bus.Transaction{Unit: 1, Outcome: bus.Exception, Exception: 2, Start: now, Elapsed: time.Millisecond})
	seen.Add(bus.Transaction{Unit: 9, Poll: true, Outcome: bus.Timeout, Start: now, Elapsed: time.Second})
	s.Buses = append(s.Buses, Bus{Name: "line", Limit: 64, InFlight: 1, Seen: seen.Snapshot(now), Status: bus.Status{
		State: bus.Open, Queue: 4, Refused: 1, Denied: 2, Expired: 3, Resting: map[byte]bus.Rest{9: {}},
	}})
	return s
}

// Prometheus' own parser reads what there is.
func TestPrometheusReadsIt(t *testing.T) {
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(bytes.NewReader(plant().Text()))
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string, labels ...string) float64 {
		t.Helper()
		family := families["modferry_"+name]
		for _, m := range family.GetMetric() {
			have := []string{}
			for _, l := range m.GetLabel() {
				have = append(have, l.GetName()+"="+l.GetValue())
			}
			if strings.Join(have, ",") != strings.Join(labels, ",") {
				continue
			}
			if h := m.GetHistogram(); h != nil {
				return float64(h.GetSampleCount())
			}
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
		return math.NaN()
	}
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"mqtt_connected", nil, 1}, {"mqtt_connects_total", nil, 3}, {"mqtt_events_dropped_total", nil, 1},
		{"backlog_records", []string{"place=disk"}, 7}, {"backlog_records", []string{"place=memory"}, 2}, {"backlog_disk_failing", nil, 1},
		{"backlog_dropped_total", []string{"reason=disk"}, 2}, {"backlog_replayed_total", nil, 5}, {"backlog_bytes", nil, 700},
		{"bus_up", []string{"bus=line"}, 1}, {"bus_up", []string{"bus=idle"}, math.NaN()}, {"bus_queue_requests", []string{"bus=line"}, 4},
		{"bus_refused_total", []string{"bus=line", "reason=denied"}, 2},
		{"unit_transactions_total", []string{"bus=line", "unit=1", "source=poll", "outcome=good"}, 1},
		{"unit_transactions_total", []string{"bus=line", "unit=1", "source=request", "outcome=good"}, 2},
		{"unit_transactions_total", []string{"bus=line", "unit=9", "source=poll", "outcome=timeout"}, 1},
		{"unit_exceptions_total", []string{"bus=line", "unit=1", "code=2"}, 1},
		{"unit_reply_seconds", []string{"bus=line", "unit=1"}, 4},
		{"unit_resting", []string{"bus=line", "unit=9"}, 1}, {"unit_resting", []string{"bus=line", "unit=1"}, 0},
		{"unit_last_reply_timestamp_seconds", []string{"bus=line", "unit=9"}, math.NaN()},
	} {
		if got := value(c.name, c.labels...); got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("%s %v is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	if got := families["modferry_build_info"].GetMetric()[0].GetLabel()[0].GetValue(); got != plant().version {
		t.Errorf("the version is %q", got)
	}
	for _, m := range All {
		if families[m.FullName()] == nil {
			t.Errorf("%s is missing", m.FullName())
		}
	}
}

// The same moment gives the same text.
func TestOrder(t *testing.T) {
	without := func(s *Snapshot) string { // what the process itself does
		text, _, _ := strings.Cut(string(s.Text()), "# HELP modferry_process_")
		return text
	}
	s := plant()
	first := without(s)
	for range 20 {
		if again := without(s); again != first {
			t.Fatalf("%s\n\nand then\n\n%s", first, again)
		}
	}
}

func TestPromtoolFindsNothing(t *testing.T) {
	command := exec.Command(gatewaytest.Need(t, "promtool"), "check", "metrics")
	command.Stdin = bytes.NewReader(plant().Text())
	if out, err := command.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}
