// Package metrics tells Prometheus how the gateway is, in its text format. Names follow
// its conventions: base units, _total for what only grows, one meaning for each label.
// Counters count from the start of the process.
//
// Prometheus' own client library would double what the program keeps in memory, for
// sixty lines of text; tests hold these against its parser and its linter.
package metrics

import (
	"net/http"
	"runtime"

	"modferry/gateway/backlog"
	"modferry/gateway/bus"
	"modferry/gateway/mqtt"
	"modferry/gateway/tally"
)

// Snapshot is the gateway at one moment.
type Snapshot struct {
	MQTT    mqtt.Status
	Backlog backlog.Stats
	Buses   []Bus

	version string
}

// Bus is a bus at one moment.
type Bus struct {
	Name     string
	Status   bus.Status
	Limit    int // of the queue
	InFlight int
	Seen     tally.Snapshot
}

// Handler answers with the metrics of the moment that source gives.
func Handler(version string, source func() Snapshot) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s := source()
		s.version = version
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(s.Text()) // whoever asked may be gone
	})
}

// Text returns all metrics.
func (s *Snapshot) Text() []byte {
	var b []byte
	for _, m := range All {
		b = m.append(b, s)
	}
	return b
}

// All are the metrics, in the order of the text.
var All = []Metric{
	{"build_info", Gauge, "What was built; always 1.", func(s *Snapshot, add Add) {
		add(1, "version", s.version, "goversion", runtime.Version())
	}},
	{"mqtt_connected", Gauge, "Whether there is a connection to the broker: 1 or 0.", func(s *Snapshot, add Add) {
		add(truth(s.MQTT.Connected))
	}},
	{"mqtt_connects_total", Counter, "Connections to the broker that were made.", func(s *Snapshot, add Add) {
		add(float64(s.MQTT.Connects))
	}},
	{"mqtt_events_dropped_total", Counter, "Replies and reports that found no place in the queue to the broker, or that it did not want.", func(s *Snapshot, add Add) {
		add(float64(s.MQTT.Dropped))
	}},

	{"backlog_records", Gauge, "Readings that wait for the broker: on disk, or in memory alone.", func(s *Snapshot, add Add) {
		add(float64(s.Backlog.Count), "place", "disk")
		add(float64(s.Backlog.Waiting), "place", "memory")
	}},
	{"backlog_bytes", Gauge, "Bytes of the readings that wait on disk.", func(s *Snapshot, add Add) {
		add(float64(s.Backlog.Bytes))
	}},
	{"backlog_replayed_total", Counter, "Readings that were delivered after they had waited.", func(s *Snapshot, add Add) {
		add(float64(s.Backlog.Replayed))
	}},
	{"backlog_dropped_total", Counter, "Readings that were given up: for want of room (full), because the disk failed (disk), or because they came too fast for it (memory).", func(s *Snapshot, add Add) {
		add(float64(s.Backlog.Dropped.Full), "reason", "full")
		add(float64(s.Backlog.Dropped.Disk), "reason", "disk")
		add(float64(s.Backlog.Dropped.Memory), "reason", "memory")
	}},
	{"backlog_disk_failing", Gauge, "Whether the disk is not used at present because of an error: 1 or 0.", func(s *Snapshot, add Add) {
		add(truth(s.Backlog.Err != nil))
	}},

	{"bus_up", Gauge, "Whether the last request could be sent on the line: 1 or 0. Absent before the first.", eachBus(func(b *Bus, add Add) {
		if b.Status.State != bus.Unknown {
			add(truth(b.Status.State == bus.Open))
		}
	})},
	{"bus_queue_requests", Gauge, "Requests that wait for the line.", eachBus(func(b *Bus, add Add) { add(float64(b.Status.Queue)) })},
	{"bus_queue_limit_requests", Gauge, "How many requests may wait.", eachBus(func(b *Bus, add Add) { add(float64(b.Limit)) })},
	{"bus_utilisation_ratio", Gauge, "Share of the last 10 s in which the line was in use, 0 to 1.", eachBus(func(b *Bus, add Add) {
		add(b.Seen.Lately.Utilisation(b.InFlight))
	})},
	{"bus_refused_total", Counter, "Requests that were not sent: the queue was full or a client too fast (refused), the rules or the specification do not allow it (denied), it waited too long (expired).", eachBus(func(b *Bus, add Add) {
		add(float64(b.Status.Refused), "reason", "refused")
		add(float64(b.Status.Denied), "reason", "denied")
		add(float64(b.Status.Expired), "reason", "expired")
	})},

	{"unit_transactions_total", Counter, "Transactions with a unit, of polls and of requests, by what became of them.", eachUnit(func(u *unit, add Add) {
		for source, counts := range map[string]tally.Counts{"poll": u.Polls, "request": u.Requests} {
			for i, n := range counts {
				add(float64(n), "source", source, "outcome", bus.Outcome(i).String())
			}
		}
	})},
	{"unit_exceptions_total", Counter, "Exceptions of a unit by their code; 0 is a code that no specification has.", eachUnit(func(u *unit, add Add) {
		for code, n := range u.Exceptions {
			add(float64(n), "code", decimal(int(code)))
		}
	})},
	{"unit_reply_seconds", Histogram, "How long replies took, exceptions too.", eachUnit(func(u *unit, add Add) { u.latency(add) })},
	{"unit_resting", Gauge, "Whether polls leave the unit alone, because it did not answer: 1 or 0.", eachUnit(func(u *unit, add Add) { add(truth(u.resting)) })},
	{"unit_last_reply_timestamp_seconds", Gauge, "When the unit answered last. Absent if it never did.", eachUnit(func(u *unit, add Add) {
		if !u.Answered.IsZero() {
			add(float64(u.Answered.UnixMilli()) / 1000)
		}
	})},

	{"process_resident_memory_bytes", Gauge, "Memory of the process. Linux only.", func(_ *Snapshot, add Add) { ifKnown(add, resident()) }},
	{"process_cpu_seconds_total", Counter, "Processor time of the process. Not on Windows.", func(_ *Snapshot, add Add) { ifKnown(add, processorTime()) }},
	{"process_start_timestamp_seconds", Gauge, "When the process began.", func(_ *Snapshot, add Add) { add(float64(begun.UnixMilli()) / 1000) }},
	{"process_goroutines", Gauge, "Goroutines of the process.", func(_ *Snapshot, add Add) { add(float64(runtime.NumGoroutine())) }},
}

// eachBus adds what a metric says of each bus.
func eachBus(of func(b *Bus, add Add)) func(*Snapshot, Add) {
	return func(s *Snapshot, add Add) {
		for i := range s.Buses {
			of(&s.Buses[i], func(value float64, labels ...string) {
				add(value, append([]string{"bus", s.Buses[i].Name}, labels...)...)
			})
		}
	}
}

type unit struct {
	tally.Unit
	resting bool
}

// eachUnit adds what a metric says of each unit of each bus.
func eachUnit(of func(u *unit, add Add)) func(*Snapshot, Add) {
	return eachBus(func(b *Bus, add Add) {
		for _, seen := range b.Seen.Units {
			_, resting := b.Status.Resting[seen.Unit]
			of(&unit{seen, resting}, func(value float64, labels ...string) {
				add(value, append([]string{"unit", decimal(int(seen.Unit))}, labels...)...)
			})
		}
	})
}
