package poll

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"modferry/gateway/config"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/modbus/register"
	"modferry/modbus/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// device answers reads of input registers from a map; its failure, if set, comes instead.
type device struct {
	modbus.Client
	mu      sync.Mutex
	takes   time.Duration
	failure error
	input   map[uint16]uint16
	reads   []string
	at      []time.Duration
	start   time.Time
}

func (d *device) ReadInputRegisters(address, quantity uint16) ([]byte, error) {
	d.mu.Lock()
	takes := d.takes
	d.mu.Unlock()
	time.Sleep(takes)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads = append(d.reads, fmt.Sprintf("%d+%d", address, quantity))
	d.at = append(d.at, time.Since(d.start))
	if d.failure != nil {
		return nil, d.failure
	}
	var data []byte
	for i := range quantity {
		data = modbus.AppendRegisters(data, d.input[address+i])
	}
	return data, nil
}

// made returns how many reads there were.
func (d *device) made() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.reads)
}

func (d *device) slow(takes time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.takes = takes
}

func (d *device) set(address, value uint16, failure error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.input[address], d.failure = value, failure
}

func input(name string, address uint16) profile.Reading {
	return profile.Reading{Name: name, Unit: "°C", Field: register.Field{
		Table: modbus.InputRegisters, Address: address, Type: register.Int16, Bit: -1, Scale: 0.1, Decimals: register.Auto,
	}}
}

// follow runs a poller over a device in a synctest bubble and returns what it publishes, as "topic payload".
func follow(t *testing.T, d *device, c config.Device) (published func() []string) {
	t.Helper()
	_, published = start(t, d, c)
	return published
}

// start does the same and returns the poller, too.
func start(t *testing.T, d *device, c config.Device) (p *Poller, published func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	say := func(topic string) func([]byte) {
		return func(b []byte) {
			mu.Lock()
			defer mu.Unlock()
			text, _, _ := strings.Cut(string(b), `,"time"`)
			all = append(all, topic+" "+text)
		}
	}
	d.start = time.Now()
	p = New(Options{
		Device: c, Client: func(context.Context) modbus.Client { return d }, Status: say("status"), Group: say("group"), Log: slog.New(slog.DiscardHandler),
		Publish: func(reading string) func([]byte, time.Time) {
			return func(b []byte, _ time.Time) { say(reading)(b) }
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return p, func() []string {
		mu.Lock()
		defer mu.Unlock()
		defer func() { all = nil }()
		return all
	}
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("published\n %s\nwant\n %s", strings.Join(got, "\n "), strings.Join(want, "\n "))
	}
}

var silence = &transport.Error{Kind: transport.Timeout, Sent: true}

// pass lets time go by, and everything happen that is due at its end.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestReadingsArePublishedOnChangeAndHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{input: map[uint16]uint16{1: 305}}
		published := follow(t, d, config.Device{Every: time.Second, Heartbeat: 10 * time.Second, Payload: "json", Readings: []profile.Reading{input("temperature", 1)}})
		synctest.Wait()
		want(t, published(), `temperature {"value":30.5,"unit":"°C","quality":"good"`, "status online")
		pass(5 * time.Second)
		want(t, published())
		d.set(1, 0xFF33, nil)
		pass(time.Second)
		want(t, published(), `temperature {"value":-20.5,"unit":"°C","quality":"good"`)
		pass(9 * time.Second)
		want(t, published())
		pass(time.Second)
		want(t, published(), `temperature {"value":-20.5,"unit":"°C","quality":"good"`)
	})
}

// Row 17 and 23 of the known failures: an exception or silence is never a value, and the old value says that it is old.
func TestRow17And23FailureIsNeverAValue(t *testing.T) {
	for code := range 256 {
		synctest.Test(t, func(t *testing.T) {
			d := &device{input: map[uint16]uint16{1: 305}}
			published := follow(t, d, config.Device{Every: time.Second, Heartbeat: time.Hour, Payload: "json", Readings: []profile.Reading{input("temperature", 1)}})
			synctest.Wait()
			published()
			d.set(1, 0, &modbus.Exception{FunctionCode: 4, ExceptionCode: byte(code)})
			pass(2 * time.Second)
			want(t, published(), `temperature {"value":30.5,"unit":"°C","quality":"stale"`)
			d.set(1, 306, nil)
			pass(time.Second)
			want(t, published(), `temperature {"value":30.6,"unit":"°C","quality":"good"`)
		})
	}
}

func TestSilentDeviceGoesOfflineWithinTwoIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{input: map[uint16]uint16{1: 305}}
		published := follow(t, d, config.Device{Every: time.Second, Heartbeat: time.Hour, Payload: "json", Readings: []profile.Reading{input("temperature", 1)}})
		synctest.Wait()
		published()
		d.set(1, 0, silence)
		pass(2 * time.Second)
		want(t, published(), `temperature {"value":30.5,"unit":"°C","quality":"stale"`, "status offline")
		d.set(1, 305, nil)
		pass(time.Second)
		want(t, published(), `temperature {"value":30.5,"unit":"°C","quality":"good"`, "status online")
	})
}

func TestNeverAnsweredIsBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{input: map[uint16]uint16{}, failure: silence}
		published := follow(t, d, config.Device{Every: time.Second, Heartbeat: time.Hour, Payload: "json", Readings: []profile.Reading{input("temperature", 1)}})
		pass(3 * time.Second)
		want(t, published(), `temperature {"value":null,"unit":"°C","quality":"bad"`, "status offline")
	})
}

func TestPayloadForms(t *testing.T) {
	for form, text := range map[string]string{"value": "30.5", "hex": "01040201317974", "binary": "\x01\x04\x02\x01\x31\x79\x74"} {
		synctest.Test(t, func(t *testing.T) {
			d := &device{input: map[uint16]uint16{1: 305, 2: 500}}
			published := follow(t, d, config.Device{Unit: 1, Every: time.Second, Heartbeat: time.Hour, Payload: form,
				Readings: []profile.Reading{input("temperature", 1), input("other", 2)}})
			synctest.Wait()
			if got := published(); got[0] != "temperature "+text {
				t.Errorf("%s: %q, want %q", form, got[0], text)
			}
		})
	}
}

func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{input: map[uint16]uint16{1: 305, 2: 412}}
		published := follow(t, d, config.Device{Every: time.Second, Heartbeat: time.Hour, Payload: "value", Group: true,
			Readings: []profile.Reading{input("temperature", 1), input("humidity", 2)}})
		synctest.Wait()
		want(t, published(), "temperature 30.5", "humidity 41.2", "status online", `group {"temperature":{"value":30.5,"unit":"°C","quality":"good"`)
		if !reflect.DeepEqual(d.reads, []string{"1+2"}) {
			t.Errorf("reads %v, want one joined read", d.reads)
		}
	})
}

func TestFixedRateWithoutDriftOrCatchingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{input: map[uint16]uint16{}, takes: 300 * time.Millisecond}
		follow(t, d, config.Device{Every: time.Second, Heartbeat: time.Hour, Readings: []profile.Reading{input("temperature", 1)}})
		pass(1500 * time.Millisecond)
		d.slow(2500 * time.Millisecond) // one read overruns two ticks
		pass(2 * time.Second)
		d.slow(300 * time.Millisecond)
		pass(3 * time.Second)
		var ms []int64
		for _, at := range d.at {
			ms = append(ms, at.Milliseconds())
		}
		if want := []int64{300, 1300, 4500, 5300, 6300}; !slices.Equal(ms, want) {
			t.Errorf("reads ended at %v ms, want %v", ms, want)
		}
	})
}

func TestPlanJoinsNeighbours(t *testing.T) {
	wide := input("wide", 200)
	wide.Type, wide.Count = register.Uint16, 120
	slow := input("slow", 12)
	slow.Every = time.Minute
	c := config.Device{Every: time.Second, Readings: []profile.Reading{
		input("b", 11), input("a", 10), input("gap", 14), slow, wide, input("beyond", 320), input("last", 325),
	}}
	holding := input("holding", 12)
	holding.Table = modbus.HoldingRegisters
	c.Readings = append(c.Readings, holding)
	var got []string
	for _, r := range allAtOnce(c, LineOf(config.Bus{})) {
		got = append(got, fmt.Sprintf("%s %d+%d %s", r.Table, r.Address, r.Quantity, r.Every))
	}
	want(t, got, "holding registers 12+1 1s", "input registers 10+3 1s", "input registers 14+1 1s",
		"input registers 200+121 1s", "input registers 325+1 1s")
}

func TestDeadband(t *testing.T) {
	value := func(s string) register.Value {
		v, err := register.Parse([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		d    profile.Deadband
		a, b string
		want bool
	}{
		{profile.Deadband{}, "20.0", "20.1", true},
		{profile.Deadband{}, "20.1", "20.1", false},
		{profile.Deadband{Absolute: 0.2}, "20.0", "20.1", false},
		{profile.Deadband{Absolute: 0.2}, "20.1", "20.3", true},
		{profile.Deadband{Absolute: 0.2}, "0.1", "-0.1", true},
		{profile.Deadband{Percent: 10}, "100", "109", false},
		{profile.Deadband{Percent: 10}, "-100", "-110", true},
		{profile.Deadband{Absolute: 50, Percent: 10}, "100", "110", true},
	} {
		if got := isBeyond(c.d, value(c.a), value(c.b)); got != c.want {
			t.Errorf("%+v from %s to %s: %v", c.d, c.a, c.b, got)
		}
	}
}
