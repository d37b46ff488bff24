package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"modferry/gateway/store"
)

// What a caller may want to tell apart.
var (
	// ErrNotDurable: a kill now would leave no trace of the intent.
	ErrNotDurable = errors.New("the intent to write is not safe on disk")
	// ErrFull: MaxEntries requests are being executed.
	ErrFull = errors.New("too many requests are being executed")
	// ErrInUse: another process has the file.
	ErrInUse = store.ErrInUse

	errClosed     = errors.New("the journal is closed")
	errNotRunning = errors.New("no such request is being executed")
)

// Options describe a journal.
type Options struct {
	Dir        string           // holds journal.db, made if missing; "" = memory only
	Keep       time.Duration    // how long a reply is remembered; 0 = 10 minutes
	MaxEntries int              // 0 = 20,000
	MaxBytes   int              // memory for entries and replies; 0 = 16 MiB
	Now        func() time.Time // the wall clock, for ages over a restart; nil = time.Now
	Logger     *slog.Logger     // nil = none
}

func (o Options) withDefaults() Options {
	if o.Keep <= 0 {
		o.Keep = 10 * time.Minute
	}
	if o.MaxEntries <= 0 {
		o.MaxEntries = 20_000
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 16 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Journal remembers requests. Its methods may be called by many goroutines at once.
type Journal struct {
	o   Options
	log *slog.Logger

	mu        sync.Mutex
	index     *index
	lastID    uint64
	dirty     map[uint64]*entry // what the file does not say yet, by record id; nil = a record to delete
	waiters   []chan error      // each of one place, for the result of the next transaction
	failure   error             // of the last attempt to write
	undurable uint64

	urgent chan struct{} // one place: somebody waits for the next transaction
	lazy   chan struct{} // one place: there is something to write, within lag
	owner  *store.Owner
	writer writer
}

// Open opens the journal of a directory. A file that is torn or foreign is renamed
// to journal.db.broken-<time>, what is sound in it is kept. Without a usable
// directory the journal works in memory, says so in the log, keeps trying, and is
// [Journal.Degraded]. The only error is [ErrInUse].
func Open(o Options) (*Journal, error) {
	j, err := prepare(o)
	if err != nil {
		return nil, err
	}
	go j.run()
	return j, nil
}

// prepare does all that Open does but starting the writer.
func prepare(o Options) (*Journal, error) {
	o = o.withDefaults()
	j := &Journal{
		o: o, log: o.Logger, dirty: map[uint64]*entry{},
		urgent: make(chan struct{}, 1), lazy: make(chan struct{}, 1), owner: store.NewOwner(),
	}
	j.index = newIndex(o.MaxEntries, o.MaxBytes, j.dropped)
	if o.Dir == "" {
		return j, nil
	}
	j.writer.begin(filepath.Join(o.Dir, fileName), j.log)
	err := j.attach()
	if errors.Is(err, ErrInUse) {
		return nil, fmt.Errorf("cannot open the journal %s: %w", j.writer.place.Path, err)
	}
	j.note(err)
	return j, nil
}

// Begin asks for a request and, if it is New, notes that the caller executes it now.
// The caller then ends with [Journal.Finish] or [Journal.Forget]. A caller that is
// told Unknown may give the answer it sends to Finish too. Begin does not wait for
// the disk. Error: [ErrFull].
func (j *Journal) Begin(k Key, write bool) (Entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	j.index.expire(now)
	if e := j.index.entries[k]; e != nil {
		if e.running > 0 || now.Before(e.expires) {
			return e.found(), nil
		}
		j.index.drop(e)
	}
	return Entry{State: New}, j.begin(k, write)
}

// BeginNew notes that the caller executes a request that is known to be no
// redelivery, whatever was made before under the same key; it takes the place of
// what is remembered of those when it ends. Error: [ErrFull].
func (j *Journal) BeginNew(k Key, write bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.index.expire(time.Now())
	return j.begin(k, write)
}

func (j *Journal) begin(k Key, write bool) error {
	e := j.index.entries[k]
	if (e == nil || e.running == 0) && j.index.running() >= j.o.MaxEntries {
		return ErrFull
	}
	if e == nil {
		e = j.index.add(k, write)
	}
	e.running++
	j.index.start(e)
	j.index.trim()
	return nil
}

// Commit makes sure that the intent of a write survives a kill or a power cut, and
// returns when it does; several callers share one transaction. Nothing waits for a
// read, nor in a journal that is meant to be in memory. Its error is
// [ErrNotDurable] with the cause, the end of ctx among them. The request is then
// still protected while the process lives: the caller may execute it nevertheless,
// or refuse it and call [Journal.Forget].
func (j *Journal) Commit(ctx context.Context, k Key) error {
	wait, err := j.intend(k)
	if err == nil && wait != nil {
		err = j.await(ctx, wait)
	}
	if err != nil {
		j.mu.Lock()
		j.undurable++
		j.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrNotDurable, err)
	}
	return nil
}

// intend notes the intent, and returns where the result of its transaction will arrive; nil if there is none.
func (j *Journal) intend(k Key) (<-chan error, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.index.entries[k]
	if e == nil || e.running == 0 {
		return nil, errNotRunning
	}
	if !e.write || j.o.Dir == "" {
		return nil, nil
	}
	if e.id != 0 {
		j.dirty[e.id] = nil // what the file says of an execution before: it goes in the same transaction
	}
	e.id = j.nextID()
	e.committed = min(e.committed+1, e.running)
	j.change(e)
	wait := make(chan error, 1)
	j.waiters = append(j.waiters, wait)
	wake(j.urgent)
	return wait, nil
}

func (j *Journal) await(ctx context.Context, wait <-chan error) error {
	select {
	case err := <-wait:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-j.owner.Done():
	}
	select {
	case err := <-wait: // of the last transaction
		return err
	default:
		return errClosed
	}
}

// Finish notes the reply of a request, which ends its execution. The journal keeps
// reply; it may be nil. Of a write the reply reaches the disk soon after, together
// with others; until then a kill makes its outcome unknown.
func (j *Journal) Finish(k Key, reply []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.index.entries[k]
	if e == nil || e.running == 0 && e.settled != Unknown {
		return // nobody began it
	}
	j.index.start(e)
	e.end()
	e.settled, e.wall, e.expires = Answered, j.o.Now().UnixMilli(), time.Now().Add(j.o.Keep)
	j.index.setReply(e, reply)
	if e.write && e.id == 0 {
		e.id = j.nextID()
	}
	j.change(e)
	j.ended(e)
}

// Forget notes that the execution ended before the request left: it may be tried
// again, and what is known of earlier executions is valid again.
func (j *Journal) Forget(k Key) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.index.entries[k]
	if e == nil || e.running == 0 {
		return
	}
	e.end()
	j.change(e)
	j.ended(e)
}

// ended finds the place of an entry after one of its executions.
func (j *Journal) ended(e *entry) {
	switch {
	case e.running > 0:
	case e.settled == New:
		j.index.drop(e)
	default:
		j.index.rest(e)
	}
}

// change notes that the file has to say something else about e.
func (j *Journal) change(e *entry) {
	if !e.write || e.id == 0 || j.o.Dir == "" {
		return
	}
	j.dirty[e.id] = e
	wake(j.lazy)
}

// dropped is told by the index of each entry that it drops.
func (j *Journal) dropped(e *entry) {
	if e.id == 0 || j.o.Dir == "" {
		return
	}
	j.dirty[e.id] = nil
	wake(j.lazy)
}

func (j *Journal) nextID() uint64 {
	j.lastID++
	return j.lastID
}

// Close writes what is not written yet, within 5 s, and frees the file. The journal
// goes on in memory, but Commit fails. The error says that something is not on disk.
func (j *Journal) Close() error {
	if err := j.owner.Close(); err != nil {
		return fmt.Errorf("cannot close the journal %s: %w", j.writer.place.Path, err)
	}
	lacking := j.writer.behind && len(j.records()) > 0
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failure != nil && (lacking || len(j.dirty) > 0) {
		return fmt.Errorf("cannot write the journal %s: %w", j.writer.place.Path, j.failure)
	}
	return nil
}

func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
