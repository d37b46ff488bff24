package compute

import "strings"

// CycleError: readings that use each other, so that none can be computed first.
type CycleError struct{ Names []string }

func (e *CycleError) Error() string {
	if len(e.Names) == 1 {
		return "reading " + e.Names[0] + " is computed from itself: use other readings"
	}
	return "the readings " + strings.Join(e.Names, ", ") + " are computed from each other: one of them must do without"
}

// Order returns names so that each comes after those it uses; uses gives the names that
// one is computed from, none for a reading of the device. The error is a [*CycleError].
func Order(names []string, uses func(name string) []string) ([]string, error) {
	const open, done = 1, 2
	state := map[string]int{}
	var order, path []string
	var visit func(name string) error
	visit = func(name string) error {
		switch state[name] {
		case done:
			return nil
		case open:
			start := len(path) - 1
			for path[start] != name {
				start--
			}
			return &CycleError{Names: append([]string(nil), path[start:]...)}
		}
		state[name], path = open, append(path, name)
		for _, other := range uses(name) {
			if err := visit(other); err != nil {
				return err
			}
		}
		state[name], path, order = done, path[:len(path)-1], append(order, name)
		return nil
	}
	for _, name := range names {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}
