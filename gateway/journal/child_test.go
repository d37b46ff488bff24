package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"time"

	"modferry/gateway/store/storetest"
)

// What a child does with the journal in its directory.
const (
	roleOnce = "once" // some writes and the end; all work on the files is done by the first thread
	roleBusy = "busy" // writes until it is killed
	roleFull = "full" // a disk of 64 KiB gets full, and has room again
	roleLong = "long" // the disk is full for long
)

// noteExecuted is where a child notes the writes that it executes.
const noteExecuted = "executed"

func child(play func(*childGateway) error) func(string) error {
	return func(dir string) error { return play(&childGateway{dir: dir}) }
}

// childGateway executes writes by noting them.
type childGateway struct {
	dir string
	j   *Journal
}

func (c *childGateway) execute(name string) error { return storetest.Note(c.dir, noteExecuted, name) }

func executed(dir string) ([]string, error) { return storetest.Notes(dir, noteExecuted) }

// deliver does with a write what a gateway does that refuses what is not durable.
func (c *childGateway) deliver(name string) error {
	k := key("%s", name)
	e, err := c.j.Begin(k, true)
	if err != nil {
		return err
	}
	if e.State == Unknown {
		c.j.Finish(k, []byte("unknown "+name))
	}
	if e.State != New {
		return nil
	}
	if err := c.j.Commit(context.Background(), k); err != nil {
		c.j.Forget(k)
		return err
	}
	if err := c.execute(name); err != nil {
		return err
	}
	c.j.Finish(k, []byte("done "+name))
	return nil
}

func (c *childGateway) once() (err error) {
	runtime.LockOSThread()
	if c.j, err = prepare(Options{Dir: c.dir}); err != nil {
		return err
	}
	result := make(chan error, 1)
	go func() {
		result <- c.script()
		_ = c.j.Close()
	}()
	c.j.run()
	return <-result
}

// script delivers again what earlier processes had, and then writes of its own. It
// goes on when the disk fails, and prints what it had to refuse.
func (c *childGateway) script() error {
	names, err := executed(c.dir)
	if err != nil {
		return err
	}
	for i := range 8 {
		names = append(names, fmt.Sprintf("%d one by one", i))
	}
	if err := c.deliverAll(names, 1); err != nil {
		return err
	}
	time.Sleep(2 * lag) // so that the replies have a transaction of their own
	names = nil
	for i := range 8 {
		names = append(names, fmt.Sprintf("%d together", i), fmt.Sprintf("%d together", i))
	}
	if err := c.deliverAll(names, 4); err != nil {
		return err
	}
	k := key("forgotten")
	if _, err := c.j.Begin(k, true); err != nil {
		return err
	}
	if err := c.j.Commit(context.Background(), k); err == nil {
		c.j.Forget(k)
	}
	return nil
}

func (c *childGateway) deliverAll(names []string, workers int) error {
	todo := make(chan string, len(names))
	for _, n := range names {
		todo <- n
	}
	close(todo)
	failed := make(chan error, workers)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for name := range todo {
				if err := c.deliver(name); errors.Is(err, ErrNotDurable) {
					fmt.Println("refused " + name)
				} else if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func (c *childGateway) busy() (err error) {
	before, err := executed(c.dir)
	if err != nil {
		return err
	}
	if c.j, err = Open(Options{Dir: c.dir}); err != nil {
		return err
	}
	fmt.Println("ready")
	failed := make(chan error)
	for worker := range 8 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d/%d/%d", os.Getpid(), worker, i)
				if i%3 == 0 && len(before) > 0 {
					name = before[rand.IntN(len(before))]
				}
				if i%3 == 1 {
					name = fmt.Sprintf("%d/%d/%d", os.Getpid(), rand.IntN(8), rand.IntN(i)) // of now, perhaps running
				}
				if err := c.deliver(name); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

// full fills a disk of 64 KiB, refuses what does not fit, and goes on when there is
// room again.
func (c *childGateway) full() (err error) {
	if c.j, err = Open(Options{Dir: c.dir}); err != nil {
		return err
	}
	room, err := storetest.LimitFiles(64 << 10)
	if err != nil {
		return err
	}
	var done []string
	for i := range 1500 {
		name := fmt.Sprintf("write %d", i)
		k := key("%s", name)
		if e, err := c.j.Begin(k, true); err != nil || e.State != New {
			return fmt.Errorf("%s: %v, %w", name, e.State, err)
		}
		if err := c.j.Commit(context.Background(), k); err != nil {
			c.j.Forget(k)
			continue
		}
		c.j.Finish(k, []byte("done "+name))
		done = append(done, name)
	}
	fmt.Println("full, degraded", c.j.Degraded(), "refused", c.j.Status().Undurable)
	if err := room(); err != nil {
		return err
	}
	for _, name := range done {
		if err := c.execute(name); err != nil {
			return err
		}
	}
	if err := c.deliver("after"); err != nil {
		return err
	}
	fmt.Println("room, degraded", c.j.Degraded())
	return c.j.Close()
}

// long has a disk that fails for long, which takes no more and more memory.
func (c *childGateway) long() (err error) {
	if c.j, err = prepare(Options{Dir: c.dir, MaxEntries: 50}); err != nil {
		return err
	}
	room, err := storetest.LimitFiles(1)
	if err != nil {
		return err
	}
	c.j.writer.failed = time.Now().Add(time.Hour) // the file cannot be begun anew
	for i := range 1000 {
		k := key("%d", i)
		if _, err := c.j.Begin(k, true); err != nil {
			return err
		}
		wait, err := c.j.intend(k)
		if err != nil {
			return err
		}
		c.j.flush()
		if err := <-wait; err == nil {
			return errors.New("the disk does not fail")
		}
		c.j.Finish(k, []byte("reply"))
		if n := len(c.j.dirty); n > 110 {
			return fmt.Errorf("%d changes wait after %d writes", n, i)
		}
	}
	if err := room(); err != nil {
		return err
	}
	c.j.writer.failed = time.Time{}
	go c.j.run()
	if err := c.deliver("after"); err != nil {
		return err
	}
	return c.j.Close()
}
