package poll

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
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
)

func asJSON(readings ...profile.Reading) config.Device {
	return config.Device{Unit: 1, Every: time.Second, Heartbeat: time.Hour, Payload: "json", Readings: readings}
}

// The bus is stuck: no read ends, so none fails either.
func TestStaleThoughNoReadEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{input: map[uint16]uint16{1: 305}}
		published := follow(t, d, asJSON(input("temperature", 1)))
		synctest.Wait()
		published()
		d.slow(time.Minute)
		pass(2*time.Second - time.Millisecond)
		want(t, published())
		pass(time.Millisecond)
		want(t, published(), `temperature {"value":30.5,"unit":"°C","quality":"stale"`, "status offline")
	})
}

// The same after the device was away: what is good again is watched again.
func TestStaleThoughNoReadEndsAfterARecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{input: map[uint16]uint16{1: 305}, failure: silence}
		published := follow(t, d, asJSON(input("temperature", 1)))
		pass(time.Minute + time.Second/2)
		published()
		d.set(1, 305, nil)
		pass(time.Second)
		want(t, published(), `temperature {"value":30.5,"unit":"°C","quality":"good"`, "status online")
		d.slow(time.Hour)
		pass(2 * time.Second)
		want(t, published(), `temperature {"value":30.5,"unit":"°C","quality":"stale"`, "status offline")
	})
}

func TestBadThoughNoReadEverEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{input: map[uint16]uint16{}, takes: time.Minute}
		published := follow(t, d, asJSON(input("temperature", 1)))
		pass(2 * time.Second)
		want(t, published(), `temperature {"value":null,"unit":"°C","quality":"bad"`, "status offline")
	})
}

func TestStaleKeepsItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{input: map[uint16]uint16{1: 305}}
		samples := samplesOf(t, d, asJSON(input("temperature", 1)))
		start := time.Now()
		pass(3 * time.Second)
		d.set(1, 0, silence)
		pass(5 * time.Second)
		last := samples()["temperature"]
		if last.Quality != message.Stale || last.Value.String() != "30.5" || !last.Time.Equal(start.Add(3*time.Second)) {
			t.Errorf("%+v, want 30.5, stale, of %v", last, start.Add(3*time.Second))
		}
	})
}

func TestNoDataIsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := input("temperature", 1)
		r.NoData = []uint64{0x8000}
		d := &device{input: map[uint16]uint16{1: 305}}
		published := follow(t, d, asJSON(r))
		synctest.Wait()
		published()
		d.set(1, 0x8000, nil)
		pass(time.Second)
		want(t, published(), `temperature {"value":30.5,"unit":"°C","quality":"stale"`)
	})
}

func TestMinIntervalPublishesTheLatestWhenItHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := input("temperature", 1)
		r.MinInterval = 4500 * time.Millisecond
		d := &device{input: map[uint16]uint16{1: 10}}
		published := follow(t, d, asJSON(r))
		synctest.Wait()
		want(t, published(), `temperature {"value":1,"unit":"°C","quality":"good"`, "status online")
		for i := range uint16(3) {
			d.set(1, 20+i, nil)
			pass(time.Second)
		}
		want(t, published())
		pass(2 * time.Second) // at 4.5 s, between two reads
		want(t, published(), `temperature {"value":2.2,"unit":"°C","quality":"good"`)
		pass(10 * time.Second)
		want(t, published())
		d.set(1, 30, nil)
		pass(time.Second)
		want(t, published(), `temperature {"value":3,"unit":"°C","quality":"good"`)
	})
}

func TestHeartbeatKeepsToMinInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := input("temperature", 1)
		r.MinInterval, r.Heartbeat = 10*time.Second, 2*time.Second
		d := &device{input: map[uint16]uint16{1: 10}}
		published := follow(t, d, asJSON(r))
		synctest.Wait()
		published()
		d.set(1, 20, nil)
		pass(9 * time.Second)
		want(t, published())
		pass(2 * time.Second)
		want(t, published(), `temperature {"value":2,"unit":"°C","quality":"good"`)
		pass(9 * time.Second)
		want(t, published(), `temperature {"value":2,"unit":"°C","quality":"good"`)
	})
}

func TestMinIntervalDoesNotHoldBackThatAValueIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := input("temperature", 1)
		r.MinInterval = time.Hour
		d := &device{input: map[uint16]uint16{1: 10}}
		published := follow(t, d, asJSON(r))
		synctest.Wait()
		published()
		d.set(1, 0, silence)
		pass(2 * time.Second)
		want(t, published(), `temperature {"value":1,"unit":"°C","quality":"stale"`, "status offline")
	})
}

func TestHeartbeatIsKeptWhateverTheInterval(t *testing.T) {
	for _, every := range []time.Duration{time.Second, 10 * time.Second, 25 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			d := &device{input: map[uint16]uint16{1: 305}}
			c := asJSON(input("temperature", 1))
			c.Every, c.Heartbeat = every, 10*time.Second
			published := follow(t, d, c)
			synctest.Wait()
			published()
			for range 6 {
				pass(10 * time.Second)
				want(t, published(), `temperature {"value":30.5,"unit":"°C","quality":"good"`)
			}
			d.set(1, 0, silence)
			pass(time.Minute)
			published()
			pass(10 * time.Second)
			want(t, published(), `temperature {"value":30.5,"unit":"°C","quality":"stale"`)
		})
	}
}

// A number alone cannot say that it is old: repeated, it would look like a new one.
// What the payload value has is the text itself, and JSON only where there are several.
func TestBareValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{input: map[uint16]uint16{1: 0x4D46, 2: 0x2D31, 3: 0x3030, 5: 2, 6: 0, 7: 60, 8: 0x8000}}
		of := func(name string, address uint16, f register.Field) profile.Reading {
			f.Table, f.Address, f.Bit, f.Decimals = modbus.InputRegisters, address, -1, register.Auto
			return profile.Reading{Name: name, Field: f}
		}
		cool := []register.Name{{Number: 1, Name: "heat"}, {Number: 2, Name: "cool"}}
		on := of("on", 5, register.Field{Type: register.Bool})
		on.Bit = 1
		c := asJSON(of("model", 1, register.Field{Type: register.String, Count: 3}), of("short", 1, register.Field{Type: register.String, Count: 1}),
			of("mode", 5, register.Field{Type: register.Uint16, Names: cool}), of("on", 5, on.Field), of("flags", 5, register.Field{Type: register.Uint16, Flags: cool}),
			of("clock", 6, register.Field{Type: register.TimeUnix}), of("clocks", 6, register.Field{Type: register.TimeUnix, Count: 2}),
			of("list", 5, register.Field{Type: register.Uint16, Count: 2}), of("none", 8, register.Field{Type: register.Int16, NoData: []uint64{0x8000}}),
			computedReading("says", "model + '!'"))
		c.Readings[3] = on
		c.Payload = "value"
		p, published := start(t, d, c)
		synctest.Wait()
		bare := published()
		want(t, bare, "short MF", "model MF-100", "mode cool", "on true", `flags ["heat"]`, "list [2,0]", "clock 1970-01-01T00:01:00Z",
			`clocks ["1970-01-01T00:01:00Z","2038-01-19T03:14:08Z"]`, "says MF-100!", "status online")
		for _, line := range bare[:len(bare)-1] { // what is kept while the broker is away
			reading, payload, _ := strings.Cut(line, " ")
			sample := string(p.SampleJSON(reading, []byte(payload), time.Now()))
			value, _, _ := strings.Cut(strings.TrimPrefix(sample, `{"value":`), `,"quality"`)
			isJSON := payload[0] == '[' || payload == "true"
			if !isJSON && value != `"`+payload+`"` || isJSON && value != payload {
				t.Errorf("%s is kept as %s", line, sample)
			}
		}
	})
}

func TestBareValuesAreNotRepeatedWhenOld(t *testing.T) {
	for _, form := range []string{"value", "hex", "binary"} {
		synctest.Test(t, func(t *testing.T) {
			d := &device{input: map[uint16]uint16{1: 305}}
			c := asJSON(input("temperature", 1))
			c.Payload, c.Heartbeat = form, 10*time.Second
			published := follow(t, d, c)
			synctest.Wait()
			published()
			d.set(1, 0, silence)
			pass(time.Minute)
			want(t, published(), "status offline")
			d.set(1, 305, nil)
			pass(time.Second)
			if got := published(); len(got) != 2 || got[1] != "status online" {
				t.Errorf("%s: published %q, want the value again", form, got)
			}
		})
	}
}

func TestEachReadingOfAJoinedReadHasAFrameOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wide := input("wide", 2)
		wide.Type = register.Int32
		d := &device{input: map[uint16]uint16{1: 0x0131, 2: 0x0102, 3: 0x0304}}
		c := asJSON(input("temperature", 1), wide)
		c.Payload = "binary"
		published := follow(t, d, c)
		synctest.Wait()
		frames := map[string]string{}
		for _, p := range published() {
			name, frame, _ := strings.Cut(p, " ")
			frames[name] = frame
		}
		for name, data := range map[string]string{"temperature": "\x02\x01\x31", "wide": "\x04\x01\x02\x03\x04"} {
			adu, err := modbus.ParseRTU([]byte(frames[name]))
			if err != nil || adu.Unit != 1 || adu.PDU.FunctionCode != 4 || string(adu.PDU.Data) != data {
				t.Errorf("%s: % X is %+v, %v; want unit 1, function 4, data % X", name, frames[name], adu, err, data)
			}
		}
		if len(d.reads) != 1 {
			t.Errorf("reads %v, want one joined read", d.reads)
		}
	})
}

func TestBlockIsPublishedWhenOneOfItsValuesMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := input("trend", 1)
		r.Count, r.Deadband = 3, profile.Deadband{Absolute: 0.5}
		d := &device{input: map[uint16]uint16{1: 10, 2: 20, 3: 30}}
		published := follow(t, d, asJSON(r))
		synctest.Wait()
		want(t, published(), `trend {"value":[1,2,3],"unit":"°C","quality":"good"`, "status online")
		d.set(2, 24, nil)
		pass(time.Second)
		want(t, published())
		d.set(2, 25, nil)
		pass(time.Second)
		want(t, published(), `trend {"value":[1,2.5,3],"unit":"°C","quality":"good"`)
	})
}

func TestGroupIsPublishedWhenOneOfItsReadingsIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{input: map[uint16]uint16{1: 305, 2: 412}}
		c := asJSON(input("temperature", 1), input("humidity", 2))
		c.Group = true
		published := follow(t, d, c)
		pass(5 * time.Second)
		if got := published(); len(got) != 4 {
			t.Errorf("published %q, want one group of all", got)
		}
		d.set(2, 413, nil)
		pass(time.Second)
		want(t, published(), `humidity {"value":41.3,"unit":"°C","quality":"good"`, `group {"temperature":{"value":30.5,"unit":"°C","quality":"good"`)
		d.slow(time.Hour)
		pass(2 * time.Second)
		if got := published(); len(got) != 4 || !strings.Contains(got[3], `"quality":"stale"`) {
			t.Errorf("published %q, want a group that says that all is stale", got)
		}
	})
}

func computedReading(name, expression string) profile.Reading {
	return profile.Reading{Name: name, Compute: expression, Field: register.Field{Bit: -1, Decimals: register.Auto}}
}

func TestComputedReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		half := computedReading("half", "double / 4")
		half.Scale, half.Decimals, half.Unit = 10, 1, "K"
		hot := computedReading("hot", "difference > 0")
		mode := computedReading("mode", "hot ? 1 : 0")
		mode.Names = []register.Name{{Number: 0, Name: "off"}, {Number: 1, Name: "heat"}}
		d := &device{input: map[uint16]uint16{1: 215, 2: 1}}
		published := follow(t, d, asJSON(half, computedReading("double", "difference * 2"), computedReading("difference", "supply - return-flow"), hot, mode,
			input("supply", 1), input("return-flow", 2)))
		synctest.Wait()
		want(t, published(),
			`supply {"value":21.5,"unit":"°C","quality":"good"`, `return-flow {"value":0.1,"unit":"°C","quality":"good"`,
			`difference {"value":21.4,"quality":"good"`, `double {"value":42.8,"quality":"good"`, `half {"value":107.0,"unit":"K","quality":"good"`,
			`hot {"value":true,"quality":"good"`, `mode {"value":"heat","quality":"good"`, "status online")
		d.set(2, 2, nil)
		pass(time.Second)
		want(t, published(), `return-flow {"value":0.2,"unit":"°C","quality":"good"`,
			`difference {"value":21.3,"quality":"good"`, `double {"value":42.6,"quality":"good"`, `half {"value":106.5,"unit":"K","quality":"good"`)
	})
}

func TestComputedTextsAndNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mode := input("mode", 1)
		mode.Type, mode.Scale, mode.Unit, mode.Names = register.Uint16, 1, "", []register.Name{{Number: 1, Name: "heat"}, {Number: 2, Name: "cool"}}
		hot := computedReading("hot", "mode == 'heat'")
		hot.Names = []register.Name{{Number: 0, Name: "no"}, {Number: 1, Name: "yes"}}
		c := asJSON(mode, hot, computedReading("same", "d.mode"), computedReading("says", "mode == 'cool' ? 'shut \"it\"' : 'open'"))
		c.Name = "d"
		d := &device{input: map[uint16]uint16{1: 1}}
		published := follow(t, d, c)
		synctest.Wait()
		want(t, published(), `mode {"value":"heat","quality":"good"`, `hot {"value":"yes","quality":"good"`,
			`same {"value":"heat","quality":"good"`, `says {"value":"open","quality":"good"`, "status online")
		d.set(1, 2, nil)
		pass(time.Second)
		want(t, published(), `mode {"value":"cool","quality":"good"`, `hot {"value":"no","quality":"good"`,
			`same {"value":"cool","quality":"good"`, `says {"value":"shut \"it\"","quality":"good"`)
	})
}

func TestComputedReadingIsAsOldAndAsGoodAsItsInputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := input("slow", 9)
		slow.Every = 10 * time.Second
		d := &device{input: map[uint16]uint16{1: 10, 9: 20}}
		samples := samplesOf(t, d, asJSON(computedReading("sum", "fast + slow"), input("fast", 1), slow))
		start := time.Now()
		pass(3 * time.Second)
		if s := samples()["sum"]; s.Value.String() != "3" || !s.Time.Equal(start) {
			t.Errorf("%+v, want 3 of the start", s)
		}
		d.slow(time.Hour)
		pass(3 * time.Second)
		if s := samples()["sum"]; s.Value.String() != "3" || s.Quality != message.Stale {
			t.Errorf("%+v, want 3, stale as the fast one is", s)
		}
	})
}

func TestWhatCannotBeComputedIsNoValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{input: map[uint16]uint16{1: 10, 2: 20}}
		published := follow(t, d, asJSON(computedReading("ratio", "a / b"), computedReading("never", "sqrt(0 - a)"), input("a", 1), input("b", 2)))
		synctest.Wait()
		want(t, published(), `a {"value":1,"unit":"°C","quality":"good"`, `b {"value":2,"unit":"°C","quality":"good"`,
			`ratio {"value":0.5,"quality":"good"`, `never {"value":null,"quality":"bad"`, "status online")
		d.set(2, 0, nil)
		pass(time.Second)
		want(t, published(), `b {"value":0,"unit":"°C","quality":"good"`, `ratio {"value":0.5,"quality":"stale"`)
	})
}

func TestComputedFromAnotherDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var board Board
		pump := &device{input: map[uint16]uint16{1: 100}}
		c := asJSON(input("power", 1))
		c.Name = "pump"
		running(t, pump, c, Options{Board: &board})
		sum := asJSON(computedReading("twice", "pump.power * 2"))
		sum.Name = "sum"
		var mu sync.Mutex
		got := map[string]message.Sample{}
		running(t, &device{}, sum, Options{Board: &board, Foreign: []string{"pump.power", "other.power"}, Changed: func(name string, s message.Sample) {
			mu.Lock()
			defer mu.Unlock()
			got[name] = s
		}})
		twice := func() message.Sample {
			mu.Lock()
			defer mu.Unlock()
			return got["twice"]
		}
		pass(2 * time.Second)
		if s := twice(); s.Value.String() != "20" || s.Quality != message.Good {
			t.Errorf("%+v, want 20", s)
		}
		pump.slow(time.Hour)
		pass(4 * time.Second)
		if s := twice(); s.Quality != message.Stale {
			t.Errorf("%+v, want it stale", s)
		}
	})
}

func TestDeadbandOfValuesThatAreNoNumbers(t *testing.T) {
	d := profile.Deadband{Absolute: 5}
	if !isBeyond(d, register.BoolValue(false), register.BoolValue(true)) || isBeyond(d, register.BoolValue(true), register.BoolValue(true)) {
		t.Error("a bool changes by its whole")
	}
	if !isBeyond(d, register.Number(math.NaN()), register.Number(1)) {
		t.Error("a value after none is a change")
	}
}

// samplesOf runs a poller and returns the sample of each reading that was published last.
func samplesOf(t *testing.T, d *device, c config.Device) func() map[string]message.Sample {
	t.Helper()
	var mu sync.Mutex
	last := map[string]message.Sample{}
	running(t, d, c, Options{Changed: func(name string, s message.Sample) {
		mu.Lock()
		defer mu.Unlock()
		last[name] = s
	}})
	return func() map[string]message.Sample {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(last)
	}
}

// running runs a poller until the test ends.
func running(t *testing.T, d *device, c config.Device, o Options) {
	t.Helper()
	ignore := func([]byte) {}
	o.Device, o.Log, o.Status, o.Group = c, slog.New(slog.DiscardHandler), ignore, ignore
	o.Client = func(context.Context) modbus.Client { return d }
	p := New(o)
	ctx, cancel := context.WithCancelCause(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	t.Cleanup(func() { cancel(errors.New("the test is over")); running.Wait() })
}
