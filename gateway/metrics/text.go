package metrics

import (
	"slices"
	"strconv"
	"strings"

	"modferry/gateway/tally"
)

// Kind is what a metric is.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Metric is one metric. Its name is completed with modferry_.
type Metric struct {
	Name string
	Kind Kind
	Help string

	samples func(s *Snapshot, add Add)
}

// Add takes a value and its labels, each a name and a value. Of a histogram, the label
// [part] says what the value is.
type Add func(value float64, labels ...string)

// part is what follows the name of a histogram: _bucket, _sum or _count.
const part = ""

// FullName is the name in the text.
func (m *Metric) FullName() string { return "modferry_" + m.Name }

func (m *Metric) append(b []byte, s *Snapshot) []byte {
	var lines []string
	m.samples(s, func(value float64, labels ...string) {
		lines = append(lines, m.line(value, labels))
	})
	if len(lines) == 0 {
		return b
	}
	if m.Kind != Histogram { // which has an order of its own
		slices.Sort(lines)
	}
	b = append(b, "# HELP "+m.FullName()+" "+m.Help+"\n# TYPE "+m.FullName()+" "+string(m.Kind)+"\n"...)
	return append(b, strings.Join(lines, "")...)
}

var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (m *Metric) line(value float64, labels []string) string {
	name, b := m.FullName(), strings.Builder{}
	for i := 0; i < len(labels); i += 2 {
		if labels[i] == part {
			name += labels[i+1]
			continue
		}
		b.WriteString("," + labels[i] + `="` + escaped.Replace(labels[i+1]) + `"`)
	}
	if b.Len() > 0 {
		name += "{" + b.String()[1:] + "}"
	}
	return name + " " + number(value) + "\n"
}

// latency adds the classes of a histogram, each with those below it.
func (u *unit) latency(add Add) {
	below := uint64(0)
	for i, n := range u.Latency.Classes {
		bound := "+Inf"
		if i < len(tally.Bounds) {
			bound = number(tally.Bounds[i].Seconds())
		}
		below += n
		add(float64(below), part, "_bucket", "le", bound)
	}
	add(u.Latency.Sum.Seconds(), part, "_sum")
	add(float64(below), part, "_count")
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
func decimal(n int) string    { return strconv.Itoa(n) }

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// ifKnown adds what is not negative.
func ifKnown(add Add, value float64) {
	if value >= 0 {
		add(value)
	}
}
