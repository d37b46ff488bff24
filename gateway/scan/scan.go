package scan

import (
	"context"
	"time"

	"modferry/modbus"
	"modferry/modbus/profile"
)

// Setting is how a serial line is set. The zero value is for a line that is not ours to set.
type Setting struct {
	Baud   int
	Parity string
}

// Options say what is scanned.
type Options struct {
	Units    []byte // in this order
	Probes   []modbus.PDU
	Settings []Setting                            // tried in this order until a unit answers; nil = one, unset
	Open     func(Setting) (Way, error)           // opens the line; called once for each setting that is tried
	Timeout  time.Duration                        // for the beginning of a reply
	Ranges   []modbus.Span                        // of any quantity; nil = none
	Requests int                                  // at most so many for each unit that was found
	Profiles []*profile.Profile                   // to compare with; nil = none
	Progress func(Progress)                       // is told what happens; nil = nobody
	Pause    func(context.Context, time.Duration) // nil = waits so long
}

// Phase is what a scan does.
type Phase string

// The phases.
const (
	Searching Phase = "search"
	Reading   Phase = "read"
)

// Progress is where a scan is.
type Progress struct {
	Phase   Phase
	Setting Setting
	Unit    byte          // that is asked now
	Done    int           // units, of the phase
	Total   int           // likewise
	Found   int           // units that answered so far
	Left    time.Duration // of the phase, as far as it can be told
	News    *Unit         // was found just now; nil = nothing new
}

// Report is what was found.
type Report struct {
	Setting  Setting // that units answered at, or the last one tried
	Units    []*Unit // in the order of their numbers
	Asked    int     // units, in the last setting that was tried
	Garbled  []byte  // units at whose time something came that was no frame
	Same     bool    // every unit id answers, so the server does not look at it; only the first is described
	Requests int
	Took     time.Duration
}

// Unit is a unit that answered.
type Unit struct {
	Unit    byte
	Answer  string            // to the search, for people
	Late    bool              // it answered after the timeout
	Objects map[byte]string   // of function 43/14; nil = it does not tell
	Server  []byte            // what function 17 returned; nil = likewise
	Refused map[byte]string   // why there is no answer to a function
	Ranges  []Range           // that can be read
	Partly  bool              // there were not enough requests to look at all that was asked for
	Matches []Match           // profiles that fit, the best first
	Values  map[string]string // what the best profile reads, by name
	Failed  string            // why it was not looked at to the end; "" = it was
}

// Range are neighbouring addresses that can be read.
type Range struct {
	Table       modbus.Table
	First, Last uint16
}

// scanner makes one scan.
type scanner struct {
	o      Options
	way    Way
	report *Report
	found  map[byte]*Unit
	pace   pace
}

// Scan scans until all is done or ctx ends. The report holds what was found also if
// there is an error, which is that of ctx if it ended.
func Scan(ctx context.Context, o Options) (*Report, error) {
	if len(o.Settings) == 0 {
		o.Settings = []Setting{{}}
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Pause == nil {
		o.Pause = pause
	}
	s := &scanner{o: o, report: &Report{}, found: map[byte]*Unit{}}
	start := time.Now()
	defer func() { s.report.Took = time.Since(start) }()
	return s.report, s.run(ctx)
}

func (s *scanner) run(ctx context.Context) error {
	for _, setting := range s.o.Settings {
		found, err := s.at(ctx, setting)
		if err != nil || found {
			return err
		}
	}
	return nil
}

// at scans in one setting, and reports whether a unit answered.
func (s *scanner) at(ctx context.Context, setting Setting) (found bool, err error) {
	s.report.Setting, s.report.Asked, s.report.Garbled = setting, 0, nil
	if s.way, err = s.o.Open(setting); err != nil {
		return false, err
	}
	defer s.way.Close()
	err = s.search(ctx)
	s.collect()
	if err != nil || len(s.report.Units) == 0 {
		return len(s.report.Units) > 0, err
	}
	return true, s.look(ctx)
}

// look reads the units that were found.
func (s *scanner) look(ctx context.Context) error {
	units := s.report.Units
	if s.report.Same {
		units = units[:1]
	}
	s.pace = pace{}
	for i, u := range units {
		s.tell(Reading, u.Unit, i, len(units), nil)
		began := time.Now()
		if err := s.explore(ctx, u); err != nil {
			return err
		}
		s.pace.add(time.Since(began))
	}
	s.tell(Reading, units[len(units)-1].Unit, len(units), len(units), nil)
	return nil
}

func (s *scanner) tell(phase Phase, unit byte, done, total int, news *Unit) {
	s.o.Progress(Progress{
		Phase: phase, Setting: s.report.Setting, Unit: unit, Done: done, Total: total,
		Found: len(s.found), Left: s.pace.left(total - done), News: news,
	})
}

// pace is how long things take.
type pace struct {
	n    int
	took time.Duration
}

func (p *pace) add(d time.Duration) { p.n, p.took = p.n+1, p.took+d }

// left is how long n more take, 0 if nothing is known yet.
func (p *pace) left(n int) time.Duration {
	if p.n == 0 {
		return 0
	}
	return p.took / time.Duration(p.n) * time.Duration(n)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
