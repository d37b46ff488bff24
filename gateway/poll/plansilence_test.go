package poll

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"modferry/gateway/bus"
	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/modbus"
)

// A device keeps silent where others refuse.
func TestSilenceOnLargeReads(t *testing.T) {
	tooMuch, gap := newPicky(t, inputs(0, 1000)), newPicky(t, inputs(0, 41), inputs(43, 200))
	tooMuch.most, tooMuch.mute, gap.mute = 30, true, true
	for name, c := range map[string]struct {
		device   *picky
		requests int // a round at most
	}{"too much": {tooMuch, 14}, "a hole": {gap, 3}} {
		t.Run(name, func(t *testing.T) {
			d, want := c.device, c.requests
			synctest.Test(t, func(t *testing.T) {
				c := pollEvery(2*time.Second, words(row(0, 200, 4)...))
				p := startPolling(t, d, c, nil)
				pass(15 * time.Minute) // and what was cut too much is joined again
				d.change(func(d *picky) { d.silent = 0 })
				d.since()
				pass(time.Minute)
				requests, _ := d.since()
				silent := 0
				d.change(func(d *picky) { silent = d.silent })
				if silent > 0 || len(requests) > want*30 {
					t.Errorf("%d requests in 30 rounds, %d without an answer; want at most %d each and none", len(requests), silent, want)
				}
				for _, r := range c.Readings {
					if q := p.quality(r.Name); q != message.Good {
						t.Errorf("%s is %q", r.Name, q)
					}
				}
			})
		})
	}
}

// Noise now and then is no reason to ask for less.
func TestFewTimeoutsTeachNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPicky(t, inputs(0, 100))
		startPolling(t, d, pollEvery(2*time.Second, words(row(0, 99, 1)...)), nil)
		for range 20 {
			d.change(func(d *picky) { d.most, d.mute = 30, true })
			pass(4 * time.Second) // two rounds
			d.change(func(d *picky) { d.most, d.mute = 0, false })
			pass(2 * time.Second)
		}
		d.since()
		pass(20 * time.Second)
		if requests, _ := d.since(); len(requests) != 10 {
			t.Errorf("%d requests in 10 rounds, want one each: %v", len(requests), requests)
		}
	})
}

// A reply that the timeout cuts off says that the timeout is too short. On a serial
// line, where it does not depend on the length of the reply, that is all; over a network
// shorter replies may come in time, and are asked for.
func TestRepliesThatAreCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		bus      config.Bus
		quality  message.Quality
		requests int // a round, while replies are cut off; two where each is tried again
		after    int
	}{
		"serial":  {config.Bus{Serial: &config.Serial{Baud: 2400, DataBits: 8, StopBits: 1, Mode: modbus.RTU}}, message.Bad, 2, 1},
		"network": {config.Bus{TCP: &config.TCP{Framing: modbus.RTU}}, message.Good, 4, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newPicky(t, inputs(0, 100))
				d.cut = 30
				client := func(context.Context) modbus.Client { return modbus.NewClient(modbus.Bare.Packager(1), d) }
				p := startPollingOn(t, c.bus, client, pollEvery(2*time.Second, words(row(0, 99, 1)...)), nil)
				pass(2 * time.Minute)
				if q := p.quality("r0"); q != c.quality {
					t.Errorf("a reading is %q, want %q", q, c.quality)
				}
				d.since()
				pass(20 * time.Second)
				if requests, _ := d.since(); len(requests) != 10*c.requests {
					t.Errorf("%d requests in 10 rounds, want %d in each: %v", len(requests), c.requests, requests)
				}
				d.change(func(d *picky) { d.cut = 0 })
				pass(time.Hour) // limits are tried again within that
				d.since()
				pass(20 * time.Second)
				if requests, _ := d.since(); len(requests) != 10*c.after {
					t.Errorf("%d requests in 10 rounds afterwards, want %d in each", len(requests), c.after)
				}
				d.change(func(d *picky) { d.cut = 30 }) // what was read before is no hole
				pass(time.Minute)
				d.change(func(d *picky) { d.cut = 0 })
				pass(4 * time.Second)
				d.since()
				pass(20 * time.Second)
				if requests, _ := d.since(); len(requests) != 10 {
					t.Errorf("%d requests in 10 rounds, want one each", len(requests))
				}
			})
		})
	}
}

// line is a bus's way to a picky device.
type line struct{ *picky }

func (l line) Framing() modbus.Framing { return modbus.Bare }

func (l line) SendContext(_ context.Context, adu []byte) ([]byte, error) { return l.Send(adu) }

// A breaker leaves a unit alone after a few timeouts; large reads that are not
// answered, or with too little, are told from a unit that is dead all the same.
func TestSilenceOnLargeReadsBehindABreaker(t *testing.T) {
	for i := range 8 {
		after, short := 1+i/2, i%2 == 1
		t.Run(fmt.Sprint(after, short), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newPicky(t, inputs(0, 1000))
				d.most, d.mute, d.short = 30, !short, short
				b := bus.New(bus.Options{Line: line{d}, Timeout: time.Second, Queue: 4, Breaker: bus.Breaker{After: after}})
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { b.Run(ctx) })
				defer running.Wait()
				defer cancel()
				c := pollEvery(2*time.Second, words(row(0, 99, 1)...))
				p := startPollingBy(t, func(ctx context.Context) modbus.Client { return b.Client(ctx, 1, 0) }, c, nil)
				pass(5 * time.Minute)
				for _, r := range c.Readings {
					if q := p.quality(r.Name); q != message.Good {
						t.Fatalf("%s is %q", r.Name, q)
					}
				}
				d.since()
				pass(time.Minute)
				if requests, _ := d.since(); len(requests) != 4*30 {
					t.Errorf("%d requests in 30 rounds, want 4 each", len(requests))
				}
				p.end()
			})
		})
	}
}

// A dead device costs its line no more than before: two timeouts of its first read, one of
// a small one, and then the probes of the breaker, which are small.
func TestDeadDeviceIsAskedForLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPicky(t, inputs(0, 1000))
		startPolling(t, d, pollEvery(2*time.Second, words(row(0, 299, 1)...)), nil)
		pass(time.Second)
		d.change(func(d *picky) { d.off = true })
		d.since()
		pass(10 * time.Second)
		requests, _ := d.since()
		if large := len(slices.DeleteFunc(slices.Clone(requests), func(r string) bool { return strings.HasSuffix(r, "+1") })); large > 2 {
			t.Errorf("%d large reads of a dead device: %v", large, requests)
		}
	})
}
