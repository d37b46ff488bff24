package backlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"modferry/gateway/store/storetest"
)

// What a child does with the backlog in its directory.
const (
	roleOnce = "once" // some records, a replay and the end; all work on the files is done by the first thread
	roleBusy = "busy" // adds and replays until it is killed
	roleFull = "full" // a disk of 64 KiB gets full, and has room again
)

// What a child notes: that it began, every number that was kept (synced), and every
// batch that was delivered.
const (
	noteBegan     = "began"
	noteKept      = "kept"
	noteDelivered = "delivered"
)

func child(play func(*childGateway) error) func(string) error {
	return func(dir string) error { return play(&childGateway{dir: dir}) }
}

type childGateway struct {
	dir  string
	b    *Backlog
	next int
}

func (c *childGateway) note(name, line string) error { return storetest.Note(c.dir, name, line) }

func (c *childGateway) prepare() (err error) {
	if c.b, err = prepare(Options{Dir: c.dir, Max: mib, Rate: 100_000}); err != nil {
		return err
	}
	c.b.lag, c.b.retry = time.Millisecond, 50*time.Millisecond // and its patience is longer than a disk fails here
	processes, err := storetest.Notes(c.dir, noteBegan)
	if err != nil {
		return err
	}
	c.next = len(processes) * 10_000 // each process has numbers of its own, higher than those before
	return c.note(noteBegan, "process")
}

// add adds so many records, and waits for the disk.
func (c *childGateway) add(n int) error {
	from := c.next
	if (from+n)/10_000 > from/10_000 {
		return errors.New("too many records for one process")
	}
	for range n {
		c.b.Add(record(c.next, 200))
		c.next++
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Microsecond) {
		s := c.b.Stats()
		if s.Waiting == 0 && s.Err == nil {
			return c.note(noteKept, fmt.Sprintf("%d %d", from, c.next))
		}
		if s.Err != nil || time.Now().After(end) {
			return nil // it is not kept, and nobody says so
		}
	}
}

func (c *childGateway) replay(batches int) error {
	enough := errors.New("enough")
	err := c.b.Replay(context.Background(), func(_ context.Context, payload []byte) error {
		if batches == 0 {
			return enough
		}
		batches--
		got, err := numbers(payload)
		if err != nil {
			return err
		}
		line, err := json.Marshal(got)
		if err != nil {
			return err
		}
		return c.note(noteDelivered, strconv.Itoa(os.Getpid())+" "+string(line))
	})
	if errors.Is(err, enough) {
		return nil
	}
	return err
}

func (c *childGateway) once() error {
	runtime.LockOSThread()
	if err := c.prepare(); err != nil {
		return err
	}
	result := make(chan error, 1)
	go func() {
		result <- c.script()
		_ = c.b.Close()
	}()
	c.b.run()
	return <-result
}

func (c *childGateway) script() error {
	for range 3 {
		if err := c.add(120); err != nil {
			return err
		}
	}
	if err := c.replay(2); err != nil {
		return err
	}
	if err := c.add(30); err != nil {
		return err
	}
	return c.replay(1)
}

func (c *childGateway) busy() error {
	if err := c.prepare(); err != nil {
		return err
	}
	go c.b.run()
	fmt.Println("ready")
	replayed := make(chan error, 1)
	go func() { replayed <- c.replay(-1) }()
	for {
		if err := c.add(30); err != nil {
			return err
		}
		select {
		case err := <-replayed:
			return err
		default:
		}
	}
}

// full fills a disk of 64 KiB and goes on when there is room again.
func (c *childGateway) full() error {
	if err := c.prepare(); err != nil {
		return err
	}
	go c.b.run()
	room, err := storetest.LimitFiles(64 << 10)
	if err != nil {
		return err
	}
	var slowest time.Duration
	for n := range 20_000 {
		start := time.Now()
		c.b.Add(record(n, 200))
		slowest = max(slowest, time.Since(start))
		if n%100 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	s := c.b.Stats()
	fmt.Printf("full: degraded %v, dropped for the disk %v, for another reason %d, adding is slow %v\n",
		s.Err != nil, s.Dropped.Disk > 0, s.Dropped.Full+s.Dropped.Memory, slowest > time.Second)
	if err := room(); err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if s = c.b.Stats(); s.Err == nil && s.Waiting == 0 {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("still degraded: %+v", s)
		}
	}
	fmt.Println("room: degraded", s.Err != nil)
	r, want := &receiver{}, int(s.Count)
	ctx, cancel := context.WithCancel(context.Background())
	r.after = func(total int) {
		if total == want {
			cancel()
		}
	}
	_ = c.b.Replay(ctx, r.deliver)
	if total := len(r.all) + int(s.Dropped.Total()); total != 20_000 || !slices.IsSorted(r.all) || r.all[len(r.all)-1] != 19_999 {
		return fmt.Errorf("%d of 20000 are delivered or counted as dropped, the last is %d", total, r.all[len(r.all)-1])
	}
	return c.b.Close()
}
