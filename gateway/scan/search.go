package scan

import (
	"context"
	"fmt"
	"slices"
	"time"

	"modferry/modbus"
)

const (
	tries      = 4 // of a request that something else was in the way of
	betweenTry = 250 * time.Millisecond
	minSame    = 8 // so many units that all answer are one server that does not look at the unit id
)

// search asks every unit once.
func (s *scanner) search(ctx context.Context) error {
	s.pace = pace{}
	for i, unit := range s.o.Units {
		s.tell(Searching, unit, i, len(s.o.Units), nil)
		began := time.Now()
		if err := s.find(ctx, unit); err != nil {
			return err
		}
		s.report.Asked++
		s.pace.add(time.Since(began))
	}
	s.tell(Searching, 0, len(s.o.Units), len(s.o.Units), nil)
	return s.straggler(ctx)
}

// straggler listens for the late reply of the unit that was asked last, as the ones
// before it were listened to: during one more probe.
func (s *scanner) straggler(ctx context.Context) error {
	first, last := s.o.Units[0], s.o.Units[len(s.o.Units)-1]
	if s.found[last] != nil || !overhears(s.way) {
		return nil
	}
	reply, other, err := s.probe(ctx, first, s.o.Probes[0])
	s.overheard(first, other)
	switch {
	case err == nil && s.found[first] == nil && !nobody(reply):
		s.add(first, lateText(s.o.Timeout), true)
	case err != nil && !isSilence(err):
		return err
	}
	return nil
}

func lateText(timeout time.Duration) string { return fmt.Sprintf("after more than %v", timeout) }

// find asks one unit.
func (s *scanner) find(ctx context.Context, unit byte) error {
	for _, request := range s.o.Probes {
		noise := false
		for range 2 {
			reply, other, err := s.probe(ctx, unit, request)
			noise = s.overheard(unit, other) && err != nil
			switch {
			case err == nil && !nobody(reply):
				s.add(unit, answerText(request, reply), false)
				return nil
			case err != nil && !isSilence(err):
				return err
			case s.found[unit] != nil: // by something that was no answer
				return nil
			}
			if !noise {
				break
			}
		}
		if noise && !slices.Contains(s.report.Garbled, unit) {
			s.report.Garbled = append(s.report.Garbled, unit)
		}
	}
	return nil
}

// probe makes one request, again where something else was in the way.
func (s *scanner) probe(ctx context.Context, unit byte, request modbus.PDU) (reply modbus.PDU, other []byte, err error) {
	for range tries {
		s.report.Requests++
		reply, other, err = s.way.Probe(ctx, unit, request, s.o.Timeout)
		if ctx.Err() != nil {
			return reply, other, ctx.Err()
		}
		if err == nil || !passes(err) {
			break
		}
		s.o.Pause(ctx, betweenTry)
	}
	return reply, other, err
}

// overheard looks for frames in what was no answer, and reports whether there was
// something and none of it a frame.
func (s *scanner) overheard(asked byte, other []byte) (noise bool) {
	if len(other) == 0 {
		return false
	}
	frames := frames(other)
	for _, f := range frames {
		if !slices.Contains(s.o.Units, f.Unit) || s.found[f.Unit] != nil {
			continue
		}
		if f.Unit == asked {
			s.add(f.Unit, "a frame that is no answer to what it was asked", false)
		} else {
			s.add(f.Unit, lateText(s.o.Timeout), true)
		}
	}
	return len(frames) == 0
}

func (s *scanner) add(unit byte, answer string, late bool) {
	u := &Unit{Unit: unit, Answer: answer, Late: late, Refused: map[byte]string{}}
	s.found[unit] = u
	s.tell(Searching, unit, s.report.Asked, len(s.o.Units), u)
}

// collect puts the units that were found into the report.
func (s *scanner) collect() {
	s.report.Units = nil
	for unit := range modbus.AddressSpace / 256 {
		if u := s.found[byte(unit)]; u != nil {
			s.report.Units = append(s.report.Units, u)
		}
	}
	s.report.Same = len(s.report.Units) >= minSame && len(s.report.Units) == s.report.Asked
}

// answerText is what a unit answered, for people.
func answerText(request, reply modbus.PDU) string {
	if e := modbus.AsException(reply); e != nil {
		return fmt.Sprintf("exception %02d (%s)", e.ExceptionCode, modbus.ExceptionName(e.ExceptionCode))
	}
	span := modbus.Spans(request)[0]
	return fmt.Sprintf("%s from %d", span.Table, span.Address)
}
