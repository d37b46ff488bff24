package recording

import (
	"context"
	"time"
)

// maxGaps is how many gaps are kept; more are only counted.
const maxGaps = 1000

// round reads every block once. If none was answered, there is no row. A device that
// is silent at one block is not asked for the rest, with which the next round begins.
func (r *Recorder) round(ctx context.Context, at time.Time) {
	values := make([][]uint16, len(r.blocks))
	answered := 0
	var why error
	first := r.turn
	r.turn = 0
	for i := range r.blocks {
		n := (first + i) % len(r.blocks)
		v, err := r.read(ctx, r.blocks[n].Span)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			values[n] = v
			answered++
			continue
		}
		if why = err; refused(err) == silent {
			r.turn = (n + 1) % len(r.blocks)
			break
		}
	}
	elapsed := at.Sub(r.start)
	r.note(elapsed, why)
	if answered == 0 {
		return
	}
	row := len(r.times)
	r.times = append(r.times, elapsed.Truncate(time.Millisecond))
	for n, v := range values {
		if v != nil {
			r.memory += r.blocks[n].hold(row, v)
		}
	}
}

// note begins or ends a gap, and tells what happens.
func (r *Recorder) note(elapsed time.Duration, why error) {
	p := Progress{Rows: len(r.times), Elapsed: elapsed, Error: why}
	switch {
	case why != nil && r.open == nil:
		r.open = &Gap{From: elapsed, Why: why.Error()}
		r.gapped++
	case why == nil && r.open != nil:
		r.open.To = elapsed
		if len(r.gaps) < maxGaps {
			r.gaps = append(r.gaps, *r.open)
		}
		r.open = nil
	}
	if r.open != nil {
		p.Silent = elapsed - r.open.From
	}
	r.o.Progress(p)
}

// full reports whether one row more might be too much for a replay or for the memory.
func (r *Recorder) full() bool {
	moving := 0
	for _, b := range r.blocks {
		moving += b.moving
	}
	rows := len(r.times)
	file := int64(rows) * int64(rowSize+cellSize*moving)
	return rows >= MaxRows || file >= r.o.maxFile || r.memory >= maxMemory
}

// checkpoint saves what there is, if that was not done for some time.
func (r *Recorder) checkpoint() error {
	now := r.o.Now()
	due := max(min(max(r.saved.Sub(r.start)/saveTenth, saveSoon), saveLate), saveSeldom*r.saveFor)
	if len(r.times) == 0 || len(r.times) > 1 && now.Sub(r.saved) < due {
		return nil
	}
	began := time.Now()
	err := r.o.Save(r.recording(Interrupted))
	r.saved, r.saveFor = now, time.Since(began)
	return err
}

// recording returns what there is so far. It is good until the next round.
func (r *Recorder) recording(end End) *Recording {
	c := &Recording{
		From: r.o.From, Unit: r.o.Unit, Start: r.start, Rows: len(r.times), End: end,
		Holes: r.holes, Gaps: r.gaps, Gapped: r.gapped, Requests: r.requests,
		profile: r.o.Profile, blocks: r.blocks, times: r.times, lost: r.lost, limits: r.limits,
	}
	if n := len(r.times); n > 0 {
		c.Length = r.times[n-1]
	}
	if r.open != nil && len(c.Gaps) < maxGaps {
		c.Gaps = append(c.Gaps[:len(c.Gaps):len(c.Gaps)], Gap{r.open.From, r.o.Now().Sub(r.start), r.open.Why})
	}
	c.describe()
	return c
}
