package poll

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"modferry/gateway/config"
	"modferry/modbus"
	"modferry/modbus/profile"
)

// tape is a device that notes when each request came. A request takes as long as its line says.
type tape struct {
	modbus.Client
	start time.Time
	takes func(quantity uint16) time.Duration
	mu    sync.Mutex
	marks []mark
}

type mark struct {
	at       time.Duration // since the start
	address  uint16
	quantity uint16
}

func (d *tape) ReadInputRegisters(address, quantity uint16) ([]byte, error) {
	d.mu.Lock()
	d.marks = append(d.marks, mark{time.Since(d.start), address, quantity})
	d.mu.Unlock()
	time.Sleep(d.takes(quantity))
	return make([]byte, 2*quantity), nil
}

// of returns when an address was read.
func (d *tape) of(address uint16) (times []time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.marks {
		if m.address <= address && address < m.address+m.quantity {
			times = append(times, m.at)
		}
	}
	return times
}

func (d *tape) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.marks)
}

// roll polls a device on a tape, as the one at a position of its bus.
func roll(t *testing.T, c config.Device, position int, takes func(uint16) time.Duration) *tape {
	t.Helper()
	d := &tape{start: time.Now(), takes: takes}
	p := New(Options{
		Device: c, Position: position, Log: slog.New(slog.DiscardHandler), Status: func([]byte) {}, Group: func([]byte) {},
		Client: func(context.Context) modbus.Client { return d },
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return d
}

func always(d time.Duration) func(uint16) time.Duration {
	return func(uint16) time.Duration { return d }
}

// rates are three readings of different intervals that one request can fetch.
func rates(every ...time.Duration) config.Device {
	c := pollEvery(time.Second, words(row(1, uint16(len(every)), 1)...))
	for i := range every {
		c.Readings[i].Every = every[i]
	}
	return c
}

// Three rates of one device for an hour: none drifts, and those that are due together
// are one request.
func TestRatesHoldForAnHour(t *testing.T) {
	for _, position := range []int{0, 1, 2} {
		synctest.Test(t, func(t *testing.T) {
			every := []time.Duration{100 * time.Millisecond, time.Second, time.Minute}
			d := roll(t, rates(every...), position, always(7*time.Millisecond))
			pass(time.Hour)
			for i, e := range every {
				times := d.of(uint16(1 + i))
				if n := int(time.Hour / e); len(times) < n || len(times) > n+2 { // the first look, and one at the end
					t.Errorf("read %d times in an hour, every %v", len(times), e)
				}
				ticks := times[1:] // after the first look
				for k, at := range ticks {
					if want := ticks[0] + time.Duration(k)*e; at != want {
						t.Fatalf("every %v, tick %d came at %v, want %v", e, k, at, want)
					}
				}
			}
			if n := int(time.Hour / every[0]); d.count() > n+2 {
				t.Errorf("%d requests, want %d: slower readings go with the faster ones", d.count(), n)
			}
		})
	}
}

// Reads that take longer than the interval: ticks are left out and never made up for.
func TestOverrunLeavesTicksOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := always(250 * time.Millisecond)
		d := roll(t, rates(100*time.Millisecond), 0, slow)
		pass(10 * time.Second)
		for k, at := range d.of(1) {
			if want := time.Duration(k) * 300 * time.Millisecond; at != want {
				t.Fatalf("read %d at %v, want %v", k, at, want)
			}
		}
	})
}

// A minute's many slow reads do not keep a fast reading waiting for longer than one of them.
func TestFastReadingsGoBeforeSlowOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := words(row(1000, 9000, 200)...)
		for i := range slow {
			slow[i].Every = time.Minute
		}
		c := pollEvery(500*time.Millisecond, append(words(1), slow...))
		const one = 90 * time.Millisecond
		d := roll(t, c, 0, always(one))
		pass(5 * time.Minute)
		fast := d.of(1)
		if len(fast) < 600 {
			t.Errorf("%d reads of the fast reading in 5 minutes, want 600", len(fast))
		}
		for k, at := range fast {
			if late := at - time.Duration(k)*500*time.Millisecond; late < 0 || late > one {
				t.Fatalf("fast read %d is %v late", k, late)
			}
		}
		if n := len(d.of(9000)); n < 5 {
			t.Errorf("the last slow reading was read %d times in 5 minutes", n)
		}
	})
}

// A line that is too slow for the fast readings does not starve the slow ones.
func TestSlowReadingsAreNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pollEvery(100*time.Millisecond, words(1, 1000, 2000))
		c.Readings[2].Every = 10 * time.Second
		d := roll(t, c, 0, always(120*time.Millisecond))
		pass(time.Minute)
		if n := len(d.of(2000)); n < 6 {
			t.Errorf("the slow reading was read %d times in a minute", n)
		}
	})
}

// The devices of a bus take turns: no two have the same ticks, whatever their number,
// and all are read within the first second.
func TestStartsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const devices, every = 32, 10 * time.Second
		var all []*tape
		for i := range devices {
			all = append(all, roll(t, rates(every, time.Minute), i, always(time.Millisecond)))
		}
		pass(2 * time.Minute)
		var first, ticks, slow []time.Duration
		for _, d := range all {
			times := d.of(1)
			first, ticks = append(first, times[0]), append(ticks, times[len(times)-1]%every)
			times = d.of(2)
			slow = append(slow, times[len(times)-1]%time.Minute)
		}
		slices.Sort(ticks)
		for i := 1; i < devices; i++ {
			if apart := ticks[i] - ticks[i-1]; apart < every/devices/4 {
				t.Errorf("two devices are read within %v", apart)
			}
		}
		if late := slices.Max(first); late > firstLook {
			t.Errorf("a device is read first after %v", late)
		}
		slices.Sort(slow)
		if widest := slow[devices-1] - slow[0]; widest < 40*time.Second {
			t.Errorf("what is read once a minute is read within %v", widest)
		}
	})
}

// Nothing of the ticks is left to chance.
func TestStartsAreTheSameEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := rates(3*time.Second, 7*time.Second)
		a, b := roll(t, c, 5, always(time.Millisecond)), roll(t, c, 5, always(time.Millisecond))
		pass(time.Minute)
		if !slices.Equal(a.marks, b.marks) {
			t.Errorf("the same device at the same place is read at %v and %v", a.marks, b.marks)
		}
	})
}

// Rounds of the forecast are those that happen.
func TestForecastIsWhatHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := rates(2*time.Second, 3*time.Second, 12*time.Second)
		c.Readings = append(c.Readings, words(5000)...)
		c.Readings[3].Every = 4 * time.Second
		c.Limits = profile.DefaultLimits()
		d := roll(t, c, 0, always(time.Millisecond))
		pass(time.Hour - time.Second)
		var load Load
		l := LineOf(config.Bus{})
		load.Add(l, Rounds(c, l))
		if want := load.Requests * 3600; float64(d.count()) < want-2 || float64(d.count()) > want+2 {
			t.Errorf("%d requests in an hour, foretold were %.1f", d.count(), want)
		}
	})
}

// Intervals that never fall together again within reason are foretold all the same.
func TestForecastOfFarApartIntervals(t *testing.T) {
	got := map[int]float64{}
	for _, r := range Rounds(rates(time.Millisecond, 24*time.Hour), LineOf(config.Bus{})) {
		got[len(r.Every)] = r.PerSecond
	}
	if day := got[2] * 86400; day < 0.99 || day > 1.01 || got[1] < 999 || got[1] > 1000 {
		t.Errorf("both are due %.2f times a day, the fast one alone %.2f times a second", day, got[1])
	}
}

// logged polls a device on a tape and returns what is logged at warn.
func logged(t *testing.T, c config.Device, takes, long time.Duration) []string {
	t.Helper()
	var text strings.Builder
	d := &tape{start: time.Now(), takes: always(takes)}
	p := New(Options{
		Device: c, Log: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelWarn})), Status: func([]byte) {}, Group: func([]byte) {},
		Client: func(context.Context) modbus.Client { return d },
	})
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	p.Run(ctx)
	return slices.Collect(strings.Lines(text.String()))
}

func TestWarnsOnceOfAnIntervalThatIsTooShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := rates(100 * time.Millisecond)
		if lines := logged(t, c, 150*time.Millisecond, time.Minute); len(lines) != 1 || !strings.Contains(lines[0], "less often") {
			t.Errorf("logged %q", lines)
		}
		if lines := logged(t, c, 50*time.Millisecond, time.Minute); len(lines) != 0 {
			t.Errorf("logged %q", lines)
		}
	})
}

// A round of a device with 300 readings makes no garbage but for its replies.
func TestScheduleMakesNoGarbage(t *testing.T) {
	s := newSchedule(newPlanner(energyMeter(), LineOf(config.Bus{})))
	now := time.Now()
	s.begin(now, 0)
	round := func() {
		now = s.next()
		s.arrive(now)
		for r := s.take(); r != nil; r = s.take() {
			s.made(r, now)
		}
	}
	for range 1200 { // all its intervals were due together
		round()
	}
	if n := testing.AllocsPerRun(1000, round); n > 0 {
		t.Errorf("%v allocations a round", n)
	}
}
