package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"modferry/simulator"
)

const (
	usualCalls  = 100 // in one answer
	maxCalls    = 10_000
	usualWait   = 5 * time.Second
	longestWait = 10 * time.Minute
)

type callCount struct {
	Last uint64 `json:"last"` // the number of the last call
	Kept int    `json:"kept"`
	Lost uint64 `json:"lost"` // calls that made way for later ones
}

type callList struct {
	Calls []simulator.Call `json:"calls"`
	More  bool             `json:"more"` // there are more: ask again, since the last of these
	callCount
}

// filter reads which calls are meant.
func (q *request) filter() (f simulator.CallFilter, err error) {
	var errs [5]error
	f.Function, f.Face, f.Fault = q.query.Get("function"), q.query.Get("face"), q.query.Get("fault")
	if q.query.Has("since") {
		if f.Since, errs[0] = strconv.ParseUint(q.query.Get("since"), 10, 64); errs[0] != nil {
			errs[0] = fmt.Errorf("since must be the number of a call, not %s", shown(q.query.Get("since")))
		}
	}
	f.Units, errs[1] = q.ranges("unit")
	f.Address, errs[2] = q.ranges("address")
	if q.query.Has("answered") {
		yes := q.query.Get("answered") == "true"
		if f.Answered = &yes; !yes && q.query.Get("answered") != "false" {
			errs[3] = fmt.Errorf("answered must be true or false, not %s", shown(q.query.Get("answered")))
		}
	}
	errs[4] = f.Check()
	return f, errors.Join(errs[:]...)
}

func (q *request) ranges(name string) ([]simulator.Range, error) {
	if !q.query.Has(name) {
		return nil, nil
	}
	r, err := simulator.ParseRange(q.query.Get(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return []simulator.Range{r}, nil
}

func (c *Server) calls(q *request) answer {
	f, err := q.filter()
	limit, err2 := q.number("limit", usualCalls, 1, maxCalls)
	if err := errors.Join(err, err2); err != nil {
		return wrong(err)
	}
	calls, n, err := c.s.Calls(f, limit+1)
	if err != nil {
		return notKept(err)
	}
	more := len(calls) > limit
	return ok(callList{append([]simulator.Call{}, calls[:min(limit, len(calls))]...), more, callCount{n.Last, n.Kept, n.Lost}})
}

func notKept(err error) answer {
	if errors.Is(err, simulator.ErrNoCalls) {
		return problemf(http.StatusConflict, "%v", err)
	}
	return wrong(err)
}

func (c *Server) forgetCalls(*request) answer {
	if err := c.s.ForgetCalls(); err != nil {
		return notKept(err)
	}
	return done
}

// waitCall waits for a call; one that is kept counts.
func (c *Server) waitCall(q *request) answer {
	f, err := q.filter()
	timeout := usualWait
	if err == nil && q.query.Has("timeout") {
		if timeout, err = time.ParseDuration(q.query.Get("timeout")); err != nil || timeout < 0 || timeout > longestWait {
			err = fmt.Errorf("timeout must be a duration of up to %v, such as 5s, not %s", longestWait, shown(q.query.Get("timeout")))
		}
	}
	if err != nil {
		return wrong(err)
	}
	ctx, cancel := context.WithTimeout(q.Context(), timeout)
	defer cancel()
	call, err := c.s.WaitCall(ctx, f)
	switch {
	case errors.Is(err, context.Canceled):
		return problemf(http.StatusRequestTimeout, "no such call came before the simulator ended")
	case errors.Is(err, context.DeadlineExceeded):
		return problemf(http.StatusRequestTimeout, "no such call came within %v", timeout)
	case err != nil:
		return notKept(err)
	}
	return ok(call)
}
