package poll

import (
	"context"
	"fmt"
	"log/slog"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
	"modferry/modbus/server"
	"modferry/modbus/transport"
)

// picky is a device with holes: a server that may have a limit of its own, answers
// nothing to what is too much for it, or is switched off. Each request takes 20 ms.
type picky struct {
	mu       sync.Mutex
	device   *server.Device
	most     int  // registers in one request; 0 = no limit
	mute     bool // it keeps silent where it would refuse
	short    bool // it answers with as much as it can instead
	off      bool
	cut      int      // the timeout cuts off replies with more registers; 0 = none
	requests []string // function, address and quantity
	refused  []string
	silent   int
}

func newPicky(t *testing.T, spans ...modbus.Span) *picky {
	t.Helper()
	d, err := server.NewDevice(server.DeviceOptions{Spans: spans})
	if err != nil {
		t.Fatal(err)
	}
	return &picky{device: d}
}

func (d *picky) Send(adu []byte) ([]byte, error) {
	time.Sleep(20 * time.Millisecond)
	d.mu.Lock()
	defer d.mu.Unlock()
	a, err := modbus.ParseBare(adu)
	if err != nil {
		return nil, err
	}
	s := modbus.Spans(a.PDU)[0]
	what := fmt.Sprintf("%d %d+%d", a.PDU.FunctionCode, s.Address, s.Quantity)
	d.requests = append(d.requests, what)
	reply, _ := d.device.Handle(a.Unit, a.PDU)
	if d.most > 0 && s.Quantity > d.most {
		reply = modbus.ExceptionPDU(a.PDU.FunctionCode, modbus.IllegalDataValue)
	}
	if d.short && modbus.AsException(reply) != nil {
		reply = modbus.PDU{FunctionCode: a.PDU.FunctionCode, Data: append([]byte{byte(2 * d.most)}, make([]byte, 2*d.most)...)}
	}
	if d.off || d.mute && modbus.AsException(reply) != nil {
		d.silent++
		time.Sleep(280 * time.Millisecond)
		return nil, silence
	}
	if d.cut > 0 && s.Quantity > d.cut {
		time.Sleep(280 * time.Millisecond)
		return nil, &transport.Error{Kind: transport.Timeout, Sent: true, Cut: true}
	}
	if modbus.AsException(reply) != nil {
		d.refused = append(d.refused, what)
	}
	return modbus.AppendBare(nil, modbus.ADU{Unit: a.Unit, PDU: reply}), nil
}

// change alters the device while it is polled.
func (d *picky) change(f func(d *picky)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

// since returns what was asked and refused since the last call.
func (d *picky) since() (requests, refused []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	requests, refused = d.requests, d.refused
	d.requests, d.refused = nil, nil
	return requests, refused
}

// polled is a poller at work.
type polled struct {
	mu   sync.Mutex
	last map[string]message.Sample
	end  func()
}

func (p *polled) quality(reading string) message.Quality {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[reading].Quality
}

// startPolling polls a device until end is called or the test ends.
func startPolling(t *testing.T, d *picky, c config.Device, m *Memory) *polled {
	t.Helper()
	return startPollingBy(t, func(context.Context) modbus.Client { return modbus.NewClient(modbus.Bare.Packager(1), d) }, c, m)
}

func startPollingBy(t *testing.T, client func(context.Context) modbus.Client, c config.Device, m *Memory) *polled {
	t.Helper()
	return startPollingOn(t, config.Bus{}, client, c, m)
}

func startPollingOn(t *testing.T, b config.Bus, client func(context.Context) modbus.Client, c config.Device, m *Memory) *polled {
	t.Helper()
	r := &polled{last: map[string]message.Sample{}}
	poller := New(Options{
		Device: c, Bus: b, Memory: m, Log: slog.New(slog.DiscardHandler), Status: func([]byte) {}, Group: func([]byte) {},
		Client: client,
		Changed: func(reading string, s message.Sample) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.last[reading] = s
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { poller.Run(ctx) })
	r.end = func() { cancel(); running.Wait() }
	t.Cleanup(r.end)
	return r
}

// words are readings of one register each, named by their addresses.
func words(addresses ...uint16) []profile.Reading {
	var all []profile.Reading
	for _, a := range addresses {
		all = append(all, profile.Reading{Name: fmt.Sprint("r", a), Field: register.Field{
			Table: modbus.InputRegisters, Address: a, Type: register.Uint16, Bit: -1, Decimals: register.Auto,
		}})
	}
	return all
}

// row returns addresses from first to last, every step-th.
func row(first, last, step uint16) []uint16 {
	var all []uint16
	for a := first; a <= last; a += step {
		all = append(all, a)
	}
	return all
}

func inputs(address uint16, quantity int) modbus.Span {
	return modbus.Span{Table: modbus.InputRegisters, Address: address, Quantity: quantity}
}

func pollEvery(every time.Duration, readings []profile.Reading) config.Device {
	return config.Device{Name: "meter", Unit: 1, Every: every, Heartbeat: time.Hour, Payload: "json", Limits: profile.DefaultLimits(), Readings: readings}
}

// log2 is how many steps a bisection of n takes at most.
func log2(n int) int { return bits.Len(uint(n - 1)) }

// A device has nothing at 41 and 42, which lie in the gap of two readings. It costs a
// bisection once, and then no request too many; also after a restart of the gateway.
func TestHoleIsFoundByBisectionAndRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPicky(t, inputs(0, 41), inputs(43, 60))
		c := pollEvery(10*time.Second, words(row(0, 100, 4)...))
		folder := t.TempDir()
		m := OpenMemory(folder, slog.New(slog.DiscardHandler))
		writing, stop := context.WithCancel(t.Context())
		var memory sync.WaitGroup
		memory.Go(func() { m.Run(writing) })
		p := startPolling(t, d, c, m)
		pass(5 * time.Second)
		requests, _ := d.since()
		if most := 1 + log2(26) + 1; len(requests) > most {
			t.Errorf("%d requests until the hole was found, want at most %d: %v", len(requests), most, requests)
		}
		for _, r := range c.Readings {
			if q := p.quality(r.Name); q != message.Good {
				t.Errorf("%s is %q after the first round", r.Name, q)
			}
		}
		pass(time.Minute)
		requests, refused := d.since()
		if len(requests) != 2*6 || len(refused) > 0 || requests[0] != "4 0+41" || requests[1] != "4 44+57" {
			t.Errorf("after that, in 6 rounds: %v, refused %v; want two requests each", requests, refused)
		}
		p.end()
		stop()
		memory.Wait()

		startPolling(t, d, c, OpenMemory(folder, slog.New(slog.DiscardHandler)))
		pass(time.Minute)
		requests, refused = d.since()
		if len(requests) != 2*6 || len(refused) > 0 {
			t.Errorf("after a restart, in 6 rounds: %v, refused %v; want two requests each", requests, refused)
		}
	})
}

func TestHolesAreForgottenWithTheConfiguration(t *testing.T) {
	c := pollEvery(time.Second, words(1, 2, 3))
	m := OpenMemory("", slog.New(slog.DiscardHandler))
	line := config.Bus{Name: "line", TCP: &config.TCP{Address: "10.0.0.5:502"}}
	m.keep("meter", keyOf(c, line), lesson{Holes: []hole{{modbus.InputRegisters, 1, 2}}})
	other := line
	other.TCP = &config.TCP{Address: "10.0.0.6:502"}
	unit, more, limited := c, c, c
	unit.Unit, more.Readings, limited.Limits.Gap = 2, words(1, 2, 3, 4), 1
	for name, key := range map[string]string{
		"another address": keyOf(c, other), "another unit": keyOf(unit, line), "other readings": keyOf(more, line), "other limits": keyOf(limited, line),
	} {
		if l, _ := m.recall("meter", key); !l.isEmpty() {
			t.Errorf("%s: still remembered %+v", name, l)
		}
	}
	faster := c
	faster.Every = time.Minute
	if l, _ := m.recall("meter", keyOf(faster, line)); len(l.Holes) != 1 {
		t.Error("another rate: forgotten")
	}
}

// A reading that the device does not have is bad alone, and is asked for ever more seldom.
func TestRefusedReadingHarmsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPicky(t, inputs(0, 20), inputs(21, 20))
		c := pollEvery(time.Second, words(row(0, 40, 1)...))
		p := startPolling(t, d, c, nil)
		pass(10 * time.Second)
		d.since()
		pass(time.Hour)
		_, refused := d.since()
		if len(refused) > 2*log2(3600) {
			t.Errorf("asked %d times in an hour for what is not there", len(refused))
		}
		for _, r := range c.Readings {
			want := message.Good
			if r.Name == "r20" {
				want = message.Bad
			}
			if q := p.quality(r.Name); q != want {
				t.Errorf("%s is %q, want %q", r.Name, q, want)
			}
		}
		device, err := server.NewDevice(server.DeviceOptions{Spans: []modbus.Span{inputs(0, 41)}})
		if err != nil {
			t.Fatal(err)
		}
		d.change(func(d *picky) { d.device = device })
		pass(longestRest + time.Minute)
		d.since()
		pass(time.Minute)
		if requests, _ := d.since(); p.quality("r20") != message.Good || len(requests) != 60 {
			t.Errorf("now that the device has it, r20 is %q, with %d requests a minute, want 60", p.quality("r20"), len(requests))
		}
	})
}

// A device of the wrong kind refuses everything: that ends, too.
func TestDeviceThatRefusesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPicky(t, inputs(5000, 1))
		p := startPolling(t, d, pollEvery(10*time.Second, words(row(0, 99, 1)...)), nil)
		pass(10 * time.Minute)
		requests, _ := d.since()
		if len(requests) > 100*(log2(60)+6) {
			t.Errorf("%d requests in 10 minutes", len(requests))
		}
		if q := p.quality("r99"); q != message.Bad {
			t.Errorf("r99 is %q", q)
		}
	})
}

// A device takes 20 registers at a time and says so by exception 03.
func TestLimitIsFoundOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPicky(t, inputs(0, 1000))
		d.most = 20
		startPolling(t, d, pollEvery(time.Minute, words(row(0, 299, 1)...)), nil)
		pass(30 * time.Second)
		requests, _ := d.since()
		if most := 300/20 + 1 + log2(125) + 2; len(requests) > most {
			t.Errorf("%d requests in the first round, want at most %d: %v", len(requests), most, requests)
		}
		pass(time.Minute)
		if requests, refused := d.since(); len(requests) != 300/20 || len(refused) > 0 {
			t.Errorf("then %d requests a round, %d refused: want %d and none", len(requests), len(refused), 300/20)
		}
	})
}

// The device was replaced by one without the hole: it was away meanwhile, or a day has gone by.
func TestReadsAreJoinedAgain(t *testing.T) {
	for name, away := range map[string]time.Duration{"restart": 10 * time.Second, "a day": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newPicky(t, inputs(0, 41), inputs(43, 60))
				startPolling(t, d, pollEvery(2*time.Second, words(row(0, 100, 4)...)), nil)
				pass(20 * time.Second)
				whole := newPicky(t, inputs(0, 200)).device
				d.change(func(d *picky) { d.off = away > 0; d.device = whole })
				pass(max(away, 20*time.Second))
				d.change(func(d *picky) { d.off = false })
				if away == 0 {
					pass(askAgain)
				} else {
					pass(10 * time.Second)
				}
				d.since()
				pass(20 * time.Second)
				if requests, _ := d.since(); len(requests) != 10 || requests[0] != "4 0+101" {
					t.Errorf("%v in 10 rounds, want one joined request each", requests)
				}
			})
		})
	}
}

// A device without coils is asked for them ever more seldom; its registers go on.
func TestFunctionThatADeviceDoesNotHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPicky(t, inputs(0, 10))
		device, err := server.NewDevice(server.DeviceOptions{Spans: []modbus.Span{inputs(0, 10), {Table: modbus.Coils, Quantity: 10}}, Functions: []byte{4}})
		if err != nil {
			t.Fatal(err)
		}
		d.change(func(d *picky) { d.device = device })
		c := pollEvery(time.Second, append(words(row(0, 9, 1)...), place(modbus.Coils, register.Bool, 0, 9)...))
		p := startPolling(t, d, c, nil)
		pass(time.Hour)
		requests, refused := d.since()
		if len(refused) > log2(3600)+3 || len(requests) < 3600+len(refused) {
			t.Errorf("%d requests in an hour, %d refused", len(requests), len(refused))
		}
		if p.quality("coils-0") != message.Bad || p.quality("r0") != message.Good {
			t.Errorf("a coil is %q, a register %q", p.quality("coils-0"), p.quality("r0"))
		}
	})
}

// What was learned more than a day ago is tried again by the next process.
func TestOldMemoryIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPicky(t, inputs(0, 41), inputs(43, 60))
		c := pollEvery(2*time.Second, words(row(0, 100, 4)...))
		m := OpenMemory("", quiet)
		p := startPolling(t, d, c, m)
		pass(20 * time.Second)
		p.end()
		whole := newPicky(t, inputs(0, 200)).device
		d.change(func(d *picky) { d.device = whole })
		pass(askAgain)
		startPolling(t, d, c, m)
		pass(10 * time.Second)
		d.since()
		pass(20 * time.Second)
		if requests, _ := d.since(); len(requests) != 10 {
			t.Errorf("%v in 10 rounds, want one joined request each", requests)
		}
	})
}

// What is still refused after a restart of the device costs one request for each hole.
func TestHoleThatStaysCostsOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPicky(t, inputs(0, 41), inputs(43, 22), inputs(66, 60))
		startPolling(t, d, pollEvery(2*time.Second, words(row(0, 100, 4)...)), nil)
		pass(20 * time.Second)
		d.change(func(d *picky) { d.off = true })
		pass(20 * time.Second)
		d.change(func(d *picky) { d.off = false })
		d.since()
		pass(time.Minute)
		_, refused := d.since()
		if slices.Sort(refused); strings.Join(refused, ", ") != "4 40+5, 4 64+5" {
			t.Errorf("refused: %v, want each hole once", refused)
		}
	})
}
