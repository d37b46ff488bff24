package control

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"modferry/simulator"
)

// clock lets a route serve the simulator's clock.
func (c *Server) clock(serve func(q *request, clock *simulator.Clock) answer) func(q *request) answer {
	return func(q *request) answer {
		clock := c.s.Clock()
		if clock == nil {
			return problemf(http.StatusConflict, "the simulator lives by another clock, which cannot be changed here")
		}
		return serve(q, clock)
	}
}

func showClock(_ *request, clock *simulator.Clock) answer { return ok(clock.State()) }

func (c *Server) setClock(q *request, clock *simulator.Clock) answer {
	var set struct {
		Paused *bool    `json:"paused"`
		Speed  *float64 `json:"speed"`
	}
	if err := q.decode(&set); err != nil {
		return wrong(err)
	}
	if set.Paused == nil && set.Speed == nil {
		return wrong(errors.New("nothing is to change: send paused, speed or both"))
	}
	if set.Speed != nil {
		if err := clock.Speed(*set.Speed); err != nil {
			return wrong(err)
		}
	}
	if set.Paused != nil && *set.Paused {
		clock.Pause()
	} else if set.Paused != nil {
		clock.Resume()
	}
	return c.changed(clock)
}

// changed tells everyone that the clock goes otherwise now.
func (c *Server) changed(clock *simulator.Clock) answer {
	state := clock.State()
	c.s.Tell(simulator.Event{Kind: "clock", Data: state})
	return ok(state)
}

func (c *Server) stepClock(q *request, clock *simulator.Clock) answer {
	var step struct {
		By string `json:"by"`
	}
	if err := q.decode(&step); err != nil {
		return wrong(err)
	}
	by, err := time.ParseDuration(step.By)
	if err != nil || by <= 0 {
		return wrong(fmt.Errorf("by must be a duration such as 30s or 1h30m, not %s", shown(step.By)))
	}
	if err := clock.Step(by); err != nil {
		return wrong(err)
	}
	return c.changed(clock)
}
