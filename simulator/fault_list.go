package simulator

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"modferry/modbus"
	"modferry/simulator/event"
	"modferry/simulator/match"
)

// faults are the faults of a simulator in their order.
type faults struct {
	mu    sync.Mutex
	rules []*rule
	given int // names that were given
	some  atomic.Bool
}

// FaultState is a fault and what became of it.
type FaultState struct {
	Fault   Fault
	Matched uint64 // requests that it was about
	Applied uint64 // of these, those that went wrong
	Spent   bool   // it will concern no request any more
}

// AddFaults adds faults behind those that are there, all or none, and returns them
// with their names. Errors: a fault that does not pass [Fault.Check], a name that is
// taken, or nothing that can go wrong on any of the simulator's faces.
func (s *Simulator) AddFaults(add ...Fault) ([]FaultState, error) { return s.changeFaults(add, false) }

// SetFaults is AddFaults in place of the faults that are there.
func (s *Simulator) SetFaults(all ...Fault) ([]FaultState, error) { return s.changeFaults(all, true) }

func (s *Simulator) changeFaults(add []Fault, only bool) ([]FaultState, error) {
	kinds := s.kinds()
	now := s.now()
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	rules := s.faults.rules
	if only {
		rules = nil
	}
	if len(rules)+len(add) > MaxFaults {
		return nil, fmt.Errorf("%d faults: at most %d are possible", len(rules)+len(add), MaxFaults)
	}
	rules, given := slices.Clone(rules), s.faults.given
	for _, f := range add {
		for ; f.Name == ""; given++ {
			if name := "fault-" + strconv.Itoa(given+1); find(rules, name) < 0 && !taken(add, name) {
				f.Name = name
			}
		}
		if err := judgeFault(f, rules, kinds); err != nil {
			return nil, fmt.Errorf("fault %s: %w", f.Name, err)
		}
		rules = append(rules, newRule(f, now))
	}
	s.faults.given = given
	if only {
		s.tellRemoved(s.faults.rules...)
	}
	s.faults.put(rules)
	for _, r := range rules[len(rules)-len(add):] {
		s.Tell(event.Event{Kind: "fault", Data: event.Fault{Name: r.Name, What: "added"}})
	}
	return states(rules[len(rules)-len(add):], now), nil
}

func (l *faults) put(rules []*rule) {
	l.rules = rules
	l.some.Store(len(rules) > 0)
}

func judgeFault(f Fault, rules []*rule, kinds []match.Kind) error {
	if err := f.Check(); err != nil {
		return err
	}
	if find(rules, f.Name) >= 0 {
		return fmt.Errorf("the name is taken: give it another, or delete that fault first")
	}
	if !slices.ContainsFunc(kinds, func(k match.Kind) bool { return f.means(k) }) {
		return fmt.Errorf("it can go wrong on none of the faces, which are %s: bad_check needs RTU or ASCII, wrong_transaction and close need TCP, and faces must name one of these", kindNames(kinds))
	}
	return nil
}

func find(rules []*rule, name string) int {
	return slices.IndexFunc(rules, func(r *rule) bool { return r.Name == name })
}

func taken(add []Fault, name string) bool {
	return slices.ContainsFunc(add, func(f Fault) bool { return f.Name == name })
}

// RemoveFault removes a fault; false if there is none of that name.
func (s *Simulator) RemoveFault(name string) bool {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	i := find(s.faults.rules, name)
	if i >= 0 {
		s.tellRemoved(s.faults.rules[i])
		s.faults.put(slices.Delete(slices.Clone(s.faults.rules), i, i+1))
	}
	return i >= 0
}

func (s *Simulator) tellRemoved(rules ...*rule) {
	for _, r := range rules {
		s.Tell(event.Event{Kind: "fault", Data: event.Fault{Name: r.Name, What: "removed"}})
	}
}

// Faults returns all faults in their order.
func (s *Simulator) Faults() []FaultState {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return states(s.faults.rules, s.now())
}

func states(rules []*rule, now time.Time) []FaultState {
	all := make([]FaultState, len(rules))
	for i, r := range rules {
		all[i] = FaultState{r.Fault, r.matched, r.applied, r.spent(now)}
	}
	return all
}

// kinds returns what faults need to know of the faces.
func (s *Simulator) kinds() []match.Kind {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kinds []match.Kind
	for _, f := range s.faces {
		kinds = append(kinds, f.kind())
	}
	return kinds
}

func kindNames(kinds []match.Kind) string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.Name+" ("+k.Framing.String()+")")
	}
	return strings.Join(names, ", ")
}

// striking returns what goes wrong with a request.
func (l *faults) striking(q asked) plan {
	var p plan
	if !l.some.Load() {
		return p
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.rules {
		if !r.concerns(q) || !r.strikes() {
			continue
		}
		f := r.Fault
		if q.unit == modbus.Broadcast && q.Framing != modbus.TCP && len(f.Units) == 0 && f.Drop == "" {
			f.Drop = DropReply // only a fault that names unit 0 answers a broadcast
		}
		p.add(f, r.applied)
		if !r.Also {
			break
		}
	}
	return p
}
