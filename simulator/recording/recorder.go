package recording

import (
	"context"
	"time"

	"modferry/modbus"
	"modferry/modbus/profile"
)

// MaxRows is the greatest number of rows, as of a replay.
const MaxRows = 1_000_000

const (
	maxFile   = 240 << 20 // of the CSV file; a replay reads 256 MiB
	maxMemory = 256 << 20 // of what is kept until the files are written
	cellSize  = 12        // at most for each address that moves, about
	rowSize   = 16        // of a row's time

	// MinEvery is the shortest time between two rounds.
	MinEvery = 10 * time.Millisecond
	// The files are written meanwhile, when a tenth has come to what is in them, but
	// not more often than saveSoon nor more seldom than saveLate, unless that takes
	// long: at most a fiftieth of the time goes into it.
	saveSoon    = time.Second
	saveLate    = time.Minute
	saveTenth   = 10
	saveSeldom  = 50
	defaultUnit = 1
)

// Options say what is recorded.
type Options struct {
	Line    Asker
	From    string // what Line is, for people
	Unit    byte   // 0 = the profile's, or 1
	Profile *profile.Profile
	Spans   []modbus.Span // beside what the profile has

	Every time.Duration // between the beginnings of two rounds; 0 = 1 s
	For   time.Duration // how long; 0 = no end
	Count int           // how many rounds; 0 = no end

	Save     func(*Recording) error // puts away what there is so far, now and then and at the end
	Progress func(Progress)         // is told what happens; nil = nobody

	Now  func() time.Time                                 // nil = time.Now
	Wait func(ctx context.Context, until time.Time) error // nil = until that time

	maxFile int64 // of a test; 0 = what a replay takes
}

// Progress is where a recording is.
type Progress struct {
	Reading modbus.Span   // of the survey, before there are rows
	Rows    int           // so far
	Elapsed time.Duration // since the first
	Silent  time.Duration // since the last answer, 0 if all was answered
	Error   error         // why
}

// Gap is a time in which the device, or a part of it, did not answer.
type Gap struct {
	From, To time.Duration // since the first row
	Why      string
}

// End is why a recording ended.
type End string

// The ends.
const (
	Interrupted End = "interrupted"
	Completed   End = "completed" // Count or For was reached
	Full        End = "full"      // more would not fit into a replay
)

// Recorder records a device once.
type Recorder struct {
	o        Options
	blocks   []*block
	holes    []Hole
	lost     map[modbus.Table]bool // tables whose function the device does not have
	limits   map[modbus.Table]quantityLimit
	requests int

	start   time.Time // of the first round
	times   []time.Duration
	rounds  int
	memory  int
	turn    int // the block that a round begins with
	open    *Gap
	gaps    []Gap
	gapped  int // gaps, also those that are not kept
	saved   time.Time
	saveFor time.Duration // how long the last save took
}

// Record records until the count or time is reached, the recording is full, or ctx
// ends, which is no error once there is a row. What there is was saved then.
func Record(ctx context.Context, o Options) (*Recording, error) {
	o = o.completed()
	wanted, err := parts(o.Profile, o.Spans)
	if err != nil {
		return nil, err
	}
	r := &Recorder{o: o, lost: map[modbus.Table]bool{}, limits: map[modbus.Table]quantityLimit{}}
	if r.blocks, err = r.survey(ctx, wanted); err != nil {
		return nil, err
	}
	end, err := r.run(ctx)
	if err != nil {
		return nil, err
	}
	if len(r.times) == 0 {
		return nil, context.Canceled
	}
	done := r.recording(end)
	return done, o.Save(done)
}

func (o Options) completed() Options {
	if o.Unit == 0 {
		o.Unit = defaultUnit
		if o.Profile != nil && o.Profile.Unit > 0 {
			o.Unit = o.Profile.Unit
		}
	}
	if o.Every == 0 {
		o.Every = time.Second
	}
	o.Every = max(o.Every, MinEvery)
	if o.maxFile == 0 {
		o.maxFile = maxFile
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = func(ctx context.Context, until time.Time) error { return wait(ctx, time.Until(until)) }
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Save == nil {
		o.Save = func(*Recording) error { return nil }
	}
	return o
}

// wait waits so long, or until ctx ends, which is the error.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run makes the rounds.
func (r *Recorder) run(ctx context.Context) (End, error) {
	next := r.o.Now()
	r.start, r.saved = next, next
	for {
		began := r.o.Now()
		r.round(ctx, began)
		if ctx.Err() != nil {
			return Interrupted, nil
		}
		r.rounds++
		switch {
		case r.o.Count > 0 && r.rounds >= r.o.Count, r.o.For > 0 && began.Add(r.o.Every).Sub(r.start) >= r.o.For:
			return Completed, nil
		case r.full():
			return Full, nil
		}
		if err := r.checkpoint(); err != nil {
			return "", err
		}
		if next = next.Add(r.o.Every); next.Before(r.o.Now()) {
			next = r.o.Now() // a round took longer: none is made up for
		}
		if r.o.Wait(ctx, next) != nil {
			return Interrupted, nil
		}
	}
}
