package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"modferry/simulator"
)

type faultState struct {
	Fault   simulator.Fault `json:"fault"`
	Matched uint64          `json:"matched"`
	Applied uint64          `json:"applied"`
	Spent   bool            `json:"spent"`
}

type faultList struct {
	Faults []faultState `json:"faults"`
}

func faultsOf(all []simulator.FaultState) faultList {
	list := faultList{[]faultState{}}
	for _, s := range all {
		list.Faults = append(list.Faults, faultState(s))
	}
	return list
}

func (c *Server) faults(*request) answer { return ok(faultsOf(c.s.Faults())) }

func (c *Server) addFault(q *request) answer {
	b, err := body(q.w, q.Request)
	if err != nil {
		return wrong(err)
	}
	f, err := parseFault(b)
	if err != nil {
		return wrong(err)
	}
	added, err := c.s.AddFaults(f)
	if err != nil {
		return wrong(err)
	}
	return answer{http.StatusCreated, faultState(added[0])}
}

// parseFault reads JSON; a fault is also a configuration's, which is read by lines.
func parseFault(b []byte) (simulator.Fault, error) {
	var any json.RawMessage
	if err := decode(b, &any); err != nil {
		return simulator.Fault{}, err
	}
	return simulator.ParseFaultJSON(any)
}

func (c *Server) setFaults(q *request) answer {
	var all struct {
		Faults []json.RawMessage `json:"faults"`
	}
	if err := q.decode(&all); err != nil {
		return wrong(err)
	}
	if all.Faults == nil {
		return wrong(errors.New(`the body has no faults: send {"faults": [...]}, with an empty list for none`))
	}
	var faults []simulator.Fault
	var errs []error
	for i, text := range all.Faults {
		f, err := simulator.ParseFaultJSON(text)
		if err != nil {
			err = fmt.Errorf("faults[%d]: %w", i, err)
		}
		faults, errs = append(faults, f), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return wrong(err)
	}
	states, err := c.s.SetFaults(faults...)
	if err != nil {
		return wrong(err)
	}
	return ok(faultsOf(states))
}

func (c *Server) removeFaults(*request) answer {
	if _, err := c.s.SetFaults(); err != nil {
		return wrong(err)
	}
	return done
}

func noFault(q *request) answer {
	return problemf(http.StatusNotFound, "there is no fault %s: see /faults", shown(q.PathValue("name")))
}

func (c *Server) fault(q *request) answer {
	for _, s := range c.s.Faults() {
		if s.Fault.Name == q.PathValue("name") {
			return ok(faultState(s))
		}
	}
	return noFault(q)
}

func (c *Server) removeFault(q *request) answer {
	if !c.s.RemoveFault(q.PathValue("name")) {
		return noFault(q)
	}
	return done
}
