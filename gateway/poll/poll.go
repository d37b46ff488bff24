// Package poll reads the devices of the configuration at their rates and publishes
// what it read. A value is only ever one that the device gave: an exception, a
// timeout or a no-data sentinel leaves the last value in place, with its own time
// and the quality stale.
//
// A reading is published when its quality changes, when its value moved by its
// deadband since it was published last and min_interval has passed since then, and
// when it was not published for its heartbeat. Nothing for two of its intervals makes
// it stale, whatever the bus does meanwhile. Forms other than JSON cannot say how good
// a value is: in those only good ones are published.
//
// Readings that are due together are planned together: those that lie close are one
// read, where that takes the line less than two, and within the limits of the device.
// What a device refuses all the same (exception 02 or 03) is found by bisection: a hole
// that no read may go across, a limit, or a reading that it does not have. What it
// taught is kept over restarts, and tried again when it was away and once a day.
package poll

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/modbus"
)

// Options describe the polling of one device. The functions that publish must not
// block, nor use the poller.
type Options struct {
	Device   config.Device
	Client   func(context.Context) modbus.Client                     // for the device's unit, until the context ends; one request at a time
	Together func(context.Context) Together                          // makes several polls of the unit at the same time; nil = the line carries one
	Publish  func(reading string) func(payload []byte, at time.Time) // asked once for each reading; publishes the form of a sample of a time, which is lent; may be nil
	Flush    func()                                                  // called when what was published shall go out; may be nil
	Changed  func(reading string, s message.Sample)                  // told of each sample that is published, and of those that the form of the payload cannot say; may be nil
	Group    func(payload []byte)                                    // all readings in one object, if the device wants it
	Status   func(payload []byte)                                    // online or offline
	Bus      config.Bus                                              // that the device is on: what its transactions cost, and how it is reached
	Position int                                                     // of the device among those of its bus; their ticks are spread by it
	Memory   *Memory                                                 // of what devices taught; nil = none
	Totals   *Totals                                                 // of what computed readings counted; nil = none
	Board    *Board                                                  // of the pollers whose readings this one's may be computed from; nil = none
	Foreign  []string                                                // those readings, each as device.reading
	Log      *slog.Logger
}

// Poller polls one device.
type Poller struct {
	o        Options
	client   modbus.Client
	schedule *schedule
	early    ahead
	learner
	trouble trouble
	round   round    // what the present round brought so far
	inputs  []string // readings of other devices that are computed with
	wanted  *wanted

	mu       sync.Mutex // guards below, and what is in the readings
	readings []*reading
	byName   map[string]*reading
	computed []*reading // each after those it is computed from
	online   string     // what was published last
	answered time.Time  // when the device said something last; at first when polling began
	changed  bool       // something was published since the group was
	waiting  bool       // something was published since the last flush
	flushed  time.Time
	scratch  []byte // for a payload
	clock    message.Clock
	watched  time.Time     // when the watch looks next
	sooner   chan struct{} // one token: it should look before that
}

// round is what the reads of one round brought.
type round struct{ reads, answers int }

// New returns a poller that reads nothing before [Poller.Run].
func New(o Options) *Poller {
	p := &Poller{o: o, schedule: newSchedule(newPlanner(o.Device, LineOf(o.Bus))), learner: newLearner(o.Device, o.Bus), byName: map[string]*reading{}, sooner: make(chan struct{}, 1), wanted: newWanted()}
	all := make([]reading, len(o.Device.Readings)) // side by side
	for i := range all {
		r := &all[i]
		r.begin(&o.Device.Readings[i], o.Device)
		if r.send = func([]byte, time.Time) {}; o.Publish != nil {
			r.send = o.Publish(r.Name)
		}
		if n := len(p.readings); n > 0 {
			r.share(p.readings[n-1])
		}
		p.readings = append(p.readings, r)
		p.byName[r.Name] = r
	}
	p.computed, p.inputs = p.compile()
	return p
}

// gather is how long publications may be kept back for more of the same round.
const gather = time.Millisecond

// took gives each reading of a read what came back for it: the data of the reply, or
// why there is none. It is called once for every read, and then [Poller.finish].
func (p *Poller) took(r *Read, data []byte, err error) {
	p.logTrouble(r, err)
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !r.alone || isAnswer(err) { // what was refused alone says nothing of the device if it fails
		p.round.reads++
	}
	if isAnswer(err) {
		p.round.answers++
		p.answered = now
	}
	for _, i := range r.Readings {
		state, publish := p.readings[i], false
		if err != nil {
			publish = state.failed(now)
		} else {
			publish = state.sampled(r.cut(data, state.span), now)
		}
		if publish {
			p.publish(state, now)
		} else if state.held {
			p.watchBy(now.Add(min(longestWatch, state.wait(now))))
		}
	}
	p.flush(now, gather)
}

// finish ends a round of reads: what is known of the device now is told.
func (p *Poller) finish() {
	foreign := p.foreign()
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.round
	p.round = round{}
	if r.reads == 0 {
		return
	}
	p.computeAll(foreign, time.Now())
	if r.answers > 0 {
		p.announce(message.Online)
	} else {
		p.announce(message.Offline)
	}
	p.tellGroup()
	p.flush(time.Now(), 0)
}

// publish is called with p.mu held, as are those below.
func (p *Poller) publish(r *reading, now time.Time) {
	again := r.heartbeat
	if r.quality != r.shown { // and when it is good no more
		again = min(again, r.wait(now))
	}
	p.watchBy(now.Add(again))
	p.scratch = r.show(p.scratch[:0], now, &p.clock)
	p.changed = true
	if len(p.scratch) > 0 {
		p.waiting = true
		r.send(p.scratch, r.time)
	}
	if p.o.Changed != nil {
		p.o.Changed(r.Name, r.sample())
	}
}

// flush has published go out, if the last flush is long enough ago.
func (p *Poller) flush(now time.Time, after time.Duration) {
	if p.waiting && p.o.Flush != nil && now.Sub(p.flushed) >= after {
		p.waiting, p.flushed = false, now
		p.o.Flush()
	}
}

// renew has the next value of a reading published, whether it changed or not. It is
// called without p.mu.
func (p *Poller) renew(reading int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readings[reading].shown = ""
}

func (p *Poller) announce(status string) {
	if p.online != status {
		p.online = status
		p.watchBy(p.silentFrom())
		p.o.Status([]byte(status))
	}
}

// tellGroup publishes all readings, if one of them was.
func (p *Poller) tellGroup() {
	if !p.changed || !p.o.Device.Group {
		return
	}
	p.changed = false
	var group message.Group
	for _, r := range p.readings {
		if r.quality != "" {
			group.Add(r.Name, r.sample())
		}
	}
	p.o.Group(group.JSON())
}

// isAnswer reports whether the device said something: a reply, or an exception of its own.
func isAnswer(err error) bool {
	var exception *modbus.Exception
	return err == nil || errors.As(err, &exception)
}
