package mqtt

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"modferry/configs/plainfile"
	"modferry/gateway/wholefile"
)

// lifeline remembers, over a restart too, when the session was last surely alive: until
// then everything that the broker had for it has come. What it does not know counts
// as long ago. One goroutine uses it.
type lifeline struct {
	path   string // "" = for this process only
	key    string // whose session it is
	within time.Duration
	log    *slog.Logger
	clock  func() (boot string, now time.Duration)

	boot    string
	alive   time.Duration // on clock
	known   bool
	asleep  time.Duration // how much the machine had slept when the connection was made
	failing bool          // that it cannot be written was said
}

// mark is what the file says.
type mark struct {
	Session string `json:"session"`
	Boot    string `json:"boot"`
	Alive   int64  `json:"alive_ms"`
}

const maxMark = 4096 // bytes of the file

func newLifeline(o *Options) *lifeline {
	l := &lifeline{path: o.State, key: o.ClientID + " " + o.URL, within: o.ResumeWithin, log: o.Logger, clock: readClock}
	if l.path == "" || l.within <= 0 {
		l.path = ""
		return l
	}
	data, err := plainfile.Read(l.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.log.Warn("cannot read when the broker was there last: requests that wait there are discarded", "file", l.path, "error", err)
	}
	if m, ok := parseMark(data); ok && m.Session == l.key {
		l.boot, l.alive, l.known = m.Boot, time.Duration(m.Alive)*time.Millisecond, true
	}
	return l
}

// after takes over what the lifeline before it, nil if there was none, knows of the same session.
func (l *lifeline) after(before *lifeline) *lifeline {
	if before != nil && before.key == l.key && before.known {
		l.boot, l.alive, l.known = before.boot, before.alive, true
	}
	return l
}

func parseMark(data []byte) (m mark, ok bool) {
	if len(data) == 0 || len(data) > maxMark || json.Unmarshal(data, &m) != nil {
		return mark{}, false
	}
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return m, m.Alive > 0 && m.Alive < most
}

// isOver reports whether the session was away for too long, or perhaps was.
func (l *lifeline) isOver() bool {
	boot, now := l.clock()
	return l.within <= 0 || !l.known || boot != l.boot || now < l.alive || now-l.alive > l.within
}

// away returns for how long the session has been away, if that is known.
func (l *lifeline) away() (d time.Duration, known bool) {
	boot, now := l.clock()
	return now - l.alive, l.known && boot == l.boot && now >= l.alive
}

// forget makes that unknown.
func (l *lifeline) forget() { l.known = false }

// connected begins a connection.
func (l *lifeline) connected() {
	l.asleep = l.slept()
	l.note(time.Now())
}

// slept is how much longer the machine is up than it was awake, but for a constant.
func (l *lifeline) slept() time.Duration {
	_, now := l.clock()
	return now - time.Since(started)
}

var started = time.Now()

// note says that the session was alive at a time, which has a monotonic reading, and writes it down.
func (l *lifeline) note(last time.Time) {
	if l.within <= 0 {
		return
	}
	boot, now := l.clock()
	age := max(0, time.Since(last))
	if sleep := l.slept() - l.asleep; sleep > time.Second { // it may have been after that or before
		age += sleep
	}
	if alive := now - age; !l.known || boot != l.boot || alive > l.alive || now < l.alive {
		l.boot, l.alive, l.known = boot, alive, true
	}
	l.write()
}

// write replaces the file. There is no need for it to survive a power cut: an older
// one only discards more.
func (l *lifeline) write() {
	if l.path == "" {
		return
	}
	err := l.replace()
	if err != nil && !l.failing {
		l.log.Warn("cannot write down that the broker is there: after a restart, requests that wait there are discarded", "file", l.path, "error", err)
	}
	l.failing = err != nil
}

func (l *lifeline) replace() error {
	data, err := json.Marshal(mark{l.key, l.boot, l.alive.Milliseconds()})
	if err != nil {
		return err
	}
	return wholefile.Write(l.path, append(data, '\n'))
}

// readWallClock is the clock of systems that have no better one: one that was set may discard more.
func readWallClock() (boot string, now time.Duration) {
	return "wall clock", time.Duration(time.Now().UnixNano())
}
