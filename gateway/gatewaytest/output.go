package gatewaytest

import (
	"bufio"
	"io"
	"strings"
	"sync"
	"time"
)

// maxLines bounds what is kept of a program's output; the oldest go first.
const maxLines = 10000

// output collects the lines a program prints.
type output struct {
	mu      sync.Mutex
	lines   []string
	changed chan struct{} // closed at the next line, and then replaced
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

// collect reads lines until r ends.
func (o *output) collect(r io.Reader) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		o.add(lines.Text())
	}
}

func (o *output) add(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.lines) == maxLines {
		o.lines = o.lines[1:]
	}
	o.lines = append(o.lines, line)
	close(o.changed)
	o.changed = make(chan struct{})
}

// find returns the first line that contains part, and the channel that tells of more.
func (o *output) find(part string) (line string, found bool, more <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.lines {
		if strings.Contains(l, part) {
			return l, true, nil
		}
	}
	return "", false, o.changed
}

// await waits for a line that contains part, until the time is up or ended is closed.
func (o *output) await(part string, ended <-chan struct{}, timeout time.Duration) (string, bool) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for {
		line, found, more := o.find(part)
		if found {
			return line, true
		}
		select {
		case <-more:
		case <-deadline.C:
			return "", false
		case <-ended:
			line, found, _ = o.find(part)
			return line, found
		}
	}
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.lines, "\n")
}
