package sparkplug

import (
	"slices"
	"strconv"
	"time"

	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// device is a device as its hosts see it.
type device struct {
	built   config.Device
	metrics []*metric
	of      map[string][]*metric // by reading; a block has one for each item
	online  bool
	born    bool // the hosts know its metrics
	pending int  // metrics that changed since the hosts were told
}

// metric is the newest value of one.
type metric struct {
	name    string
	alias   uint64
	reading *profile.Reading
	kind    DataType
	value   Value
	null    bool
	quality int64
	at      time.Time // when it became so; zero = never
	pending bool
	told    int64 // the quality that the hosts know
}

// newDevice returns a device of which nothing is known. alias gives each metric its own.
func newDevice(c config.Device, alias func(name string) uint64) *device {
	d := &device{built: c, of: map[string][]*metric{}}
	for i := range c.Readings {
		r := &c.Readings[i]
		for _, name := range metricNames(r) {
			m := &metric{name: name, alias: alias(name), reading: r, kind: typeOf(r), null: true}
			d.metrics = append(d.metrics, m)
			d.of[r.Name] = append(d.of[r.Name], m)
		}
	}
	return d
}

// metricNames are that of the reading, or for a block those of its items.
func metricNames(r *profile.Reading) []string {
	if !r.IsBlock() {
		return []string{r.Name}
	}
	names := make([]string, r.Count)
	for i := range names {
		names[i] = r.Name + "/" + strconv.Itoa(i)
	}
	return names
}

// sample takes what is known of a reading now.
func (d *device) sample(reading string, s message.Sample, now time.Time) {
	metrics := d.of[reading]
	items := []register.Value{s.Value}
	if len(metrics) > 1 {
		items = s.Value.Items()
	}
	for i, m := range metrics {
		v := register.Value{}
		if i < len(items) {
			v = items[i]
		}
		d.take(m, v, s, now)
	}
}

// take takes the value of one metric. A value that is not good is null, from now on.
func (d *device) take(m *metric, v register.Value, s message.Sample, now time.Time) {
	quality, at := qualityOf(s.Quality), s.Time
	if quality != qualityGood {
		v, at = register.Value{}, now
	}
	if m.reading.Compute != "" && !v.IsNull() && m.kind != natural(v) {
		m.kind, d.born = natural(v), false // the hosts have to be told of another type
	}
	value, ok := valueOf(v, m.kind)
	if !ok && quality == qualityGood { // an item of a block can be missing
		quality = qualityBad
	}
	if m.null == !ok && m.value == value && m.quality == quality && !m.at.IsZero() {
		return // only changes are told [tck-id-operational-behavior-data-publish-dbirth-change]
	}
	m.value, m.null, m.quality, m.at = value, !ok, quality, at
	if !m.pending {
		m.pending = true
		d.pending++
	}
}

// birth returns all metrics with what is known of them.
func (d *device) birth(now time.Time) []Metric {
	d.born = true
	all := make([]Metric, len(d.metrics))
	for i, m := range d.metrics {
		all[i] = m.tell(now)
		all[i].Name = m.name
		all[i].Properties = append(all[i].Properties, m.quality32())
		if unit := m.reading.Unit; unit != "" {
			all[i].Properties = append(all[i].Properties, Property{"engUnit", String, textValue(unit)})
		}
	}
	d.pending = 0
	return all
}

// changes returns the metrics that changed, in the order of their times
// [tck-id-operational-behavior-data-publish-dbirth-order].
func (d *device) changes(now time.Time) []Metric {
	changed := make([]Metric, 0, d.pending)
	for _, m := range d.metrics {
		if !m.pending {
			continue
		}
		before := m.told
		c := m.tell(now)
		if m.quality != before {
			c.Properties = []Property{m.quality32()}
		}
		changed = append(changed, c)
	}
	d.pending = 0
	slices.SortStableFunc(changed, func(a, b Metric) int { return a.Time.Compare(b.Time) })
	return changed
}

// tell returns the metric by its alias, and takes note that the hosts know it.
func (m *metric) tell(now time.Time) Metric {
	at := m.at
	if at.IsZero() {
		at = now
	}
	m.pending, m.told = false, m.quality
	return Metric{Alias: m.alias, Time: at, Type: m.kind, Value: m.value, Null: m.null}
}

func (m *metric) quality32() Property { return Property{"Quality", Int32, intValue(m.quality)} }
