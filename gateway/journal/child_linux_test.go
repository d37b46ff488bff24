package journal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The test program plays another part when it finds these in its environment: a
// gateway that uses the journal in the directory.
const (
	childDir  = "MODFERRY_JOURNAL_DIR"
	childRole = "MODFERRY_JOURNAL_ROLE"

	roleOnce = "once" // some writes and the end; all work on the files is done by the first thread
	roleBusy = "busy" // writes until it is killed
	roleFull = "full" // a disk of 64 KiB gets full, and has room again
)

func child(dir, role string) int {
	c := &childGateway{executed: filepath.Join(filepath.Dir(dir), "executed")}
	var err error
	switch role {
	case roleOnce:
		err = c.once(dir)
	case roleBusy:
		err = c.busy(dir)
	case roleFull:
		err = c.full(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// childGateway executes writes by adding a line to a file, which is there as soon
// as it is written, whatever happens to the process.
type childGateway struct {
	executed string
	j        *Journal
}

func (c *childGateway) execute(name string) error {
	f, err := os.OpenFile(c.executed, os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_SYNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(name + "\n")
	return err
}

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

func (c *childGateway) once(dir string) (err error) {
	runtime.LockOSThread()
	if c.j, err = prepare(Options{Dir: dir}); err != nil {
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
	names, err := executed(c.executed)
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

func (c *childGateway) busy(dir string) (err error) {
	before, err := executed(c.executed)
	if err != nil {
		return err
	}
	if c.j, err = Open(Options{Dir: dir}); err != nil {
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
func (c *childGateway) full(dir string) (err error) {
	if c.j, err = Open(Options{Dir: dir}); err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ)
	small := limit
	small.Cur = 64 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
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
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
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

// executed returns the writes that were executed so far, in order.
func executed(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' }), nil
}

// start runs a child, with other programs in front of it if need be.
func start(t *testing.T, dir, role string, before ...string) (cmd *exec.Cmd, lines *bufio.Scanner) {
	t.Helper()
	args := slices.Concat(before, []string{os.Args[0]})
	cmd = exec.CommandContext(within(t), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childDir+"="+dir, childRole+"="+role, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// end returns whether the child was killed, and what it still printed.
func end(t *testing.T, cmd *exec.Cmd, lines *bufio.Scanner) (killed bool, printed []string) {
	t.Helper()
	for lines.Scan() {
		printed = append(printed, lines.Text())
	}
	err := cmd.Wait()
	if err == nil {
		return false, printed
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true, printed
	}
	t.Fatalf("the child: %v", err)
	return false, nil
}
