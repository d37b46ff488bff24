package transport

import (
	"runtime"
	"sync"
)

// gather has requests that are made at the same time leave together. Who finds that
// nobody is writing writes for all.
type gather struct {
	mu      sync.Mutex
	frames  []byte // to be written
	spare   []byte
	writing bool
}

// add takes a frame, and reports whether the caller is to write.
func (g *gather) add(frame []byte) (first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.frames = append(g.frames, frame...)
	first = !g.writing
	g.writing = true
	return first
}

// take returns all that waits; with nothing, the caller does not write any more.
func (g *gather) take(written []byte) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	if written != nil {
		g.spare = written[:0]
	}
	out := g.frames
	g.frames, g.spare = g.spare, nil
	g.writing = len(out) > 0
	return out
}

// flush writes the frames of several requests, until there are none. The first ones are
// the caller's and those that came with it; it returns how many bytes of them may have
// left when that failed. If it fails with later ones, that is not the caller's concern.
func (c *conn) flush() (int, error) {
	runtime.Gosched() // who is about to send may do so first
	out := c.gather.take(nil)
	n, err := c.Write(out)
	if err != nil {
		return n, err
	}
	for out = c.gather.take(out); len(out) > 0; out = c.gather.take(out) {
		if _, err := c.Write(out); err != nil {
			c.fail(err)
			break
		}
	}
	return n, nil
}

// put writes the frame of a call, or leaves it to who is writing. A connection that
// fails then ends all calls whose frames waited; they count as sent.
func (c *conn) put(frame []byte) (int, error) {
	if !c.gathers {
		return c.Write(frame)
	}
	if !c.gather.add(frame) {
		return len(frame), nil
	}
	n, err := c.flush()
	if err == nil {
		n = len(frame)
	}
	return n, err
}
