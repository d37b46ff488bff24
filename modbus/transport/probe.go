package transport

import (
	"context"
	"fmt"
	"time"
)

// maxOther bounds what a [Stream.Probe] returns beside its reply.
const maxOther = 1024

// probing is what a transaction does differently when it asks whether a unit is there.
type probing struct {
	on    bool
	limit time.Time // the reply is whole by then
	other []byte
}

// keep notes what came and is no reply.
func (p *probing) keep(b []byte) {
	if p.on {
		p.other = append(p.other, b[:min(len(b), maxOther-len(p.other))]...)
	}
}

// Probe is SendContext for the search for units, where silence is what is mostly
// heard: it costs the response timeout and the time of the request, and no more. The
// reply must begin by the timeout and may take its time then; and the next Probe does
// not wait for a reply that is still to come. It must be for another unit, as a late
// reply is told by the unit that it comes from; the next SendContext waits as always.
//
// It also returns what else came since the call before, which is whatever was no
// reply: noise, or the late reply of a unit that was asked before.
func (s *Stream) Probe(ctx context.Context, adu []byte) (reply, other []byte, err error) {
	request, err := s.parse(adu)
	if err != nil {
		return nil, nil, &Error{Kind: Invalid, Err: fmt.Errorf("cannot send: %w", err)}
	}
	t, err := s.begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer s.giveTurn()
	t.probing.on = true
	if err := t.write(adu); err != nil {
		return nil, t.probing.other, err
	}
	reply, err = t.await(adu, request)
	return reply, t.probing.other, err
}

// ready returns when the line is ready for a probe, if nothing is received after last.
func (r *rest) ready(last time.Time, gap time.Duration) time.Time {
	return later(r.notBefore, later(last, r.sent).Add(gap))
}

// goesOn gives a reply that began by the end of the timeout its time on the wire, and
// reports whether there is some left.
func (w *wait) goesOn(last time.Time) bool {
	p := &w.probing
	if !p.on || len(w.window) == 0 || w.echo != nil {
		return false
	}
	now := time.Now()
	end := last.Add(max(straggle, w.onWire(4)))
	if end.After(p.limit) {
		end = p.limit
	}
	if !now.Before(end) {
		return false
	}
	w.end, w.own = end, true
	return true
}
