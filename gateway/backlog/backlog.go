package backlog

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"modferry/gateway/message"
	"modferry/gateway/store"
)

const (
	waitingMax  = 1 << 20 // bytes of records that wait for the disk
	memoryMax   = 4 << 20 // bytes of records if there is no directory
	defaultRate = 200

	lag        = time.Second      // how long a record may wait for others before it is written
	retry      = 10 * time.Second // between attempts to use a file that failed
	patience   = 6 * retry        // after that long newer records in memory are delivered ahead of a file that cannot be read
	settleTime = 5 * time.Second  // for the deletion of what was delivered when its context ended
)

// ErrInUse: another process has the file.
var ErrInUse = store.ErrInUse

var errClosed = errors.New("the backlog is closed")

// Options describe a backlog.
type Options struct {
	Dir    string       // holds backlog.db, made if missing; "" = memory only
	Max    int64        // bytes on disk, from 64 KiB; of records in memory at most 4 MiB; 0 = nothing is kept
	Rate   int          // readings per second that are replayed; 0 = 200
	Logger *slog.Logger // nil = none
}

// Backlog keeps records. Its methods may be called by many goroutines at once.
type Backlog struct {
	log      *slog.Logger
	lag      time.Duration
	retry    time.Duration
	patience time.Duration

	mu          sync.Mutex
	max         int64
	limiter     *rate.Limiter
	waiting     queue   // not in the file yet
	writing     []*item // in the transaction that is being made; the writer's
	writingCost int64
	kept        Stats // Count, Bytes and File of the file; what was dropped and replayed; Err
	closed      bool

	replaying sync.Mutex
	batch     *batch // that is being delivered, or is to be tried again

	arrived  chan struct{} // one place: there may be something to replay
	urgent   chan struct{} // one place: much is waiting
	lazy     chan struct{} // one place: something is waiting
	limits   chan struct{} // one place: there may be too much in the file
	requests chan func()   // what Replay wants done by the writer
	owner    *store.Owner
	writer   writer
}

// Open opens the backlog of a directory. What is wrong with the file or the disk is
// no error: it is told by the log and [Backlog.Stats], records wait in memory, and
// it is tried again. The only error is [ErrInUse].
func Open(o Options) (*Backlog, error) {
	b, err := prepare(o)
	if err != nil {
		return nil, err
	}
	go b.run()
	return b, nil
}

// prepare does all that Open does but starting the writer.
func prepare(o Options) (*Backlog, error) {
	b := &Backlog{
		log: o.Logger, lag: lag, retry: retry, patience: patience,
		arrived: make(chan struct{}, 1), urgent: make(chan struct{}, 1), lazy: make(chan struct{}, 1), limits: make(chan struct{}, 1),
		requests: make(chan func()), owner: store.NewOwner(),
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.SetLimits(o.Max, o.Rate)
	if o.Dir == "" {
		return b, nil
	}
	b.writer.begin(filepath.Join(o.Dir, fileName), b.log)
	if err := b.writer.place.InUse(); err != nil {
		return nil, fmt.Errorf("cannot open the backlog %s: %w", b.writer.place.Path, err)
	}
	return b, nil
}

// SetLimits sets [Options].Max and Rate. When Max is less than what is kept, the
// oldest are dropped.
func (b *Backlog) SetLimits(most int64, perSecond int) {
	if perSecond <= 0 {
		perSecond = defaultRate
	}
	b.mu.Lock()
	b.max = max(most, 0)
	if b.limiter == nil || b.limiter.Limit() != rate.Limit(perSecond) {
		// No more at once than a second's worth, so that a low rate is a steady one.
		b.limiter = rate.NewLimiter(rate.Limit(perSecond), min(perSecond, message.MaxHistory))
	}
	b.trim()
	b.mu.Unlock()
	wake(b.limits)
}

// room returns the bytes of records that may wait. b.mu is held.
func (b *Backlog) room() int64 {
	if b.writer.place.Path == "" {
		return min(b.max, memoryMax)
	}
	return min(b.max, waitingMax)
}

// Add adds a record, as [message.AppendRecord] writes it, and keeps it: it must not
// be changed any more. Add never waits for the disk.
func (b *Backlog) Add(record []byte) {
	i := &item{record: record}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		b.kept.Dropped.Memory++
		return
	case i.cost() > min(b.room(), sizes(b.max).used/2):
		b.kept.Dropped.Full++
		return
	}
	b.waiting.push(i)
	b.trim()
	wake(b.arrived)
	wake(b.lazy)
	if b.writer.place.Path != "" && b.waiting.cost > b.room()/2 {
		wake(b.urgent)
	}
}

// trim drops what finds no room in memory. b.mu is held.
func (b *Backlog) trim() {
	if dropped := b.waiting.trim(b.room() - b.writingCost); dropped > 0 {
		*b.reason() += dropped
	}
}

// reason returns why something finds no room in memory. b.mu is held.
func (b *Backlog) reason() *uint64 {
	switch {
	case b.writer.place.Path == "":
		return &b.kept.Dropped.Full
	case b.kept.Err != nil:
		return &b.kept.Dropped.Disk
	}
	return &b.kept.Dropped.Memory
}

// Close writes what waits, within 5 s, and frees the file. The error says that
// records were lost.
func (b *Backlog) Close() error {
	if err := b.owner.Close(); err != nil {
		return fmt.Errorf("cannot close the backlog %s: %w", b.writer.place.Path, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	lost := len(b.waiting.items)
	if lost == 0 || b.writer.place.Path == "" {
		return nil
	}
	return fmt.Errorf("cannot keep %d readings in %s: %w", lost, b.writer.place.Path, b.kept.Err)
}

func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
