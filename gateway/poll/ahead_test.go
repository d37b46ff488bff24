package poll

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"modferry/gateway/bus"
	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/modbus"
)

// several answers reads of input registers, of which some come together; a register
// holds its address and what was written.
type several struct {
	*device
	mu       sync.Mutex
	written  uint16
	together []int // how many came together
	refuse   uint16
	onDo     func()
}

func (s *several) Do(requests []modbus.PDU) []bus.Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.together = append(s.together, len(requests))
	var replies []bus.Reply
	for _, r := range requests {
		first, quantity := binary.BigEndian.Uint16(r.Data), binary.BigEndian.Uint16(r.Data[2:])
		if s.refuse != 0 && first == s.refuse {
			replies = append(replies, bus.Reply{Err: silence})
			continue
		}
		data := []byte{byte(2 * quantity)}
		for i := range quantity {
			data = modbus.AppendRegisters(data, first+i+s.written)
		}
		replies = append(replies, bus.Reply{PDU: modbus.PDU{FunctionCode: r.FunctionCode, Data: data}})
	}
	if s.onDo != nil {
		s.onDo()
	}
	return replies
}

// far is a device with readings that no request can join.
func far(n int) config.Device {
	c := asJSON()
	c.Payload = "value"
	for i := range n {
		r := input(fmt.Sprint("r", i), uint16(1000*(i+1)))
		r.Scale = 1
		c.Readings = append(c.Readings, r)
	}
	return c
}

func startSeveral(t *testing.T, s *several, c config.Device) (p *Poller, last func() map[string]string) {
	t.Helper()
	var mu sync.Mutex
	values := map[string]string{}
	ignore := func([]byte) {}
	p = New(Options{
		Device: c, Bus: config.Bus{TCP: &config.TCP{InFlight: 4}}, Log: quiet, Status: ignore, Group: ignore,
		Client:   func(context.Context) modbus.Client { return s.device },
		Together: func(context.Context) Together { return s },
		Changed: func(reading string, m message.Sample) {
			mu.Lock()
			defer mu.Unlock()
			values[reading] = m.Value.String() + " " + string(m.Quality)
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return p, func() map[string]string {
		mu.Lock()
		defer mu.Unlock()
		out := map[string]string{}
		for k, v := range values {
			out[k] = v
		}
		return out
	}
}

func TestReadsGoTogetherWhereTheLineCarriesSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &several{device: &device{input: map[uint16]uint16{}}}
		_, last := startSeveral(t, s, far(6))
		pass(500 * time.Millisecond)
		if !slices.Equal(s.together, []int{4, 2}) || s.made() != 0 {
			t.Errorf("together %v and alone %d, want 4 and 2 of in_flight 4", s.together, s.made())
		}
		for i := range 6 {
			if got, want := last()[fmt.Sprint("r", i)], fmt.Sprint(1000*(i+1), " good"); got != want {
				t.Errorf("r%d is %s, want %s", i, got, want)
			}
		}
	})
}

// What comes together and is no good reply is asked for again alone, and is what the
// device says then.
func TestWhatFailsTogetherIsAskedForAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &several{device: &device{input: map[uint16]uint16{2000: 7}}, refuse: 2000}
		_, last := startSeveral(t, s, far(4))
		pass(500 * time.Millisecond)
		if got := last(); got["r0"] != "1000 good" || got["r1"] != "7 good" || got["r3"] != "4000 good" {
			t.Errorf("%v, want r1 as it was read alone", got)
		}
		if s.made() != 1 {
			t.Errorf("%d reads alone, want the one that failed", s.made())
		}
	})
}

// What was read before a write is not published after it.
func TestNothingOldAfterASet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &several{device: &device{input: map[uint16]uint16{1000: 50, 2000: 50, 3000: 50, 4000: 50}}}
		p, last := startSeveral(t, s, far(4))
		pass(500 * time.Millisecond)
		s.mu.Lock()
		s.onDo = func() { p.Soon("r3") } // it was written just after this read
		s.mu.Unlock()
		pass(time.Second)
		if got := last()["r3"]; got != "50 good" {
			t.Errorf("r3 is %s, want what was read after the write", got)
		}
	})
}
