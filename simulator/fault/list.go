package fault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"modferry/modbus"
	"modferry/simulator/match"
)

// List has the faults of a simulator in their order. The zero value has none. It is safe
// for concurrent use.
type List struct {
	// Tell is told the name of each fault that was added or removed, and which of these
	// it was; nil: nobody is. It must not use the list.
	Tell func(name, what string)

	mu    sync.Mutex
	rules []*rule
	given int // names that were given
	some  atomic.Bool
}

// State is a fault and what became of it.
type State struct {
	Fault   Fault
	Matched uint64 // requests that it was about
	Applied uint64 // of these, those that went wrong
	Spent   bool   // it will concern no request any more
}

// Add adds faults behind those that are there, all or none, and returns them with their
// names. Errors: a fault that does not pass [Fault.Check], a name that is taken, or
// nothing that can go wrong on any of the faces.
func (l *List) Add(add []Fault, faces []match.Kind, now time.Time) ([]State, error) {
	return l.change(add, faces, now, false)
}

// Set is Add in place of the faults that are there.
func (l *List) Set(all []Fault, faces []match.Kind, now time.Time) ([]State, error) {
	return l.change(all, faces, now, true)
}

func (l *List) change(add []Fault, faces []match.Kind, now time.Time, only bool) ([]State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rules := l.rules
	if only {
		rules = nil
	}
	if len(rules)+len(add) > Max {
		return nil, fmt.Errorf("%d faults: at most %d are possible", len(rules)+len(add), Max)
	}
	rules, given := slices.Clone(rules), l.given
	for _, f := range add {
		for ; f.Name == ""; given++ {
			if name := "fault-" + strconv.Itoa(given+1); find(rules, name) < 0 && !taken(add, name) {
				f.Name = name
			}
		}
		if err := judge(f, rules, faces); err != nil {
			return nil, fmt.Errorf("fault %s: %w", f.Name, err)
		}
		rules = append(rules, newRule(f, now))
	}
	l.given = given
	if only {
		l.tell("removed", l.rules...)
	}
	l.put(rules)
	added := rules[len(rules)-len(add):]
	l.tell("added", added...)
	return states(added, now), nil
}

func (l *List) put(rules []*rule) {
	l.rules = rules
	l.some.Store(len(rules) > 0)
}

func (l *List) tell(what string, rules ...*rule) {
	if l.Tell == nil {
		return
	}
	for _, r := range rules {
		l.Tell(r.Name, what)
	}
}

func judge(f Fault, rules []*rule, kinds []match.Kind) error {
	if err := f.Check(); err != nil {
		return err
	}
	if find(rules, f.Name) >= 0 {
		return fmt.Errorf("the name is taken: give it another, or delete that fault first")
	}
	if !slices.ContainsFunc(kinds, f.means) {
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

// Remove removes a fault; false if there is none of that name.
func (l *List) Remove(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := find(l.rules, name)
	if i >= 0 {
		l.tell("removed", l.rules[i])
		l.put(slices.Delete(slices.Clone(l.rules), i, i+1))
	}
	return i >= 0
}

// Any reports whether there are faults.
func (l *List) Any() bool { return l.some.Load() }

// States returns all faults in their order, and what has become of them by now.
func (l *List) States(now time.Time) []State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return states(l.rules, now)
}

func states(rules []*rule, now time.Time) []State {
	all := make([]State, len(rules))
	for i, r := range rules {
		all[i] = State{r.Fault, r.matched, r.applied, r.spent(now)}
	}
	return all
}

func kindNames(kinds []match.Kind) string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.Name+" ("+k.Framing.String()+")")
	}
	return strings.Join(names, ", ")
}

// Striking returns what goes wrong with a request.
func (l *List) Striking(q Asked) Plan {
	var p Plan
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
		if q.Unit == modbus.Broadcast && q.Framing != modbus.TCP && len(f.Units) == 0 && f.Drop == "" {
			f.Drop = DropReply // only a fault that names unit 0 answers a broadcast
		}
		p.add(f, r.applied)
		if !r.Also {
			break
		}
	}
	return p
}
