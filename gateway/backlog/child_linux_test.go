package backlog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test program plays another part when it finds these in its environment: a
// gateway that uses the backlog in the directory.
const (
	childDir  = "MODFERRY_BACKLOG_DIR"
	childRole = "MODFERRY_BACKLOG_ROLE"

	roleOnce = "once" // some records, a replay and the end; all work on the files is done by the first thread
	roleBusy = "busy" // adds and replays until it is killed
	roleFull = "full" // a disk of 64 KiB gets full, and has room again
)

func child(dir, role string) int {
	c := &childGateway{dir: dir, logs: filepath.Dir(dir)}
	var err error
	switch role {
	case roleOnce:
		err = c.once()
	case roleBusy:
		err = c.busy()
	case roleFull:
		err = c.full()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// childGateway writes down what it knows, in files that are there as soon as they
// are written, whatever happens to the process: every number that was kept (synced),
// and every batch that was delivered.
type childGateway struct {
	dir, logs string
	b         *Backlog
	next      int
}

func (c *childGateway) note(name, line string) error {
	f, err := os.OpenFile(filepath.Join(c.logs, name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(line + "\n")
	return err
}

func (c *childGateway) prepare() (err error) {
	if c.b, err = prepare(Options{Dir: c.dir, Max: mib, Rate: 100_000}); err != nil {
		return err
	}
	c.b.lag, c.b.retry = time.Millisecond, 50*time.Millisecond
	lines, err := lines(filepath.Join(c.logs, "began"))
	if err != nil {
		return err
	}
	c.next = len(lines) * 10_000 // each process has numbers of its own, higher than those before
	return c.note("began", "process")
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
			return c.note("kept", fmt.Sprintf("%d %d", from, c.next))
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
		return c.note("delivered", strconv.Itoa(os.Getpid())+" "+string(line))
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
		s.Err != nil, s.Dropped.Disk > 0, s.Dropped.Full+s.Dropped.Memory, slowest > 100*time.Millisecond)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
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

// lines returns those of a file, in order.
func lines(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' }), nil
}

// start runs a child, with other programs in front of it if need be.
func start(t *testing.T, dir, role string, before ...string) (cmd *exec.Cmd, out *bufio.Scanner) {
	t.Helper()
	args := slices.Concat(before, []string{os.Args[0]})
	cmd = exec.CommandContext(within(t), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childDir+"="+dir, childRole+"="+role, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(pipe)
}

// end returns whether the child was killed, and what it still printed.
func end(t *testing.T, cmd *exec.Cmd, out *bufio.Scanner) (killed bool, printed []string) {
	t.Helper()
	for out.Scan() {
		printed = append(printed, out.Text())
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
