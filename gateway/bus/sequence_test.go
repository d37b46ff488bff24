package bus

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/transport"
)

// steps makes a sequence of reads at the addresses.
func steps(addresses ...uint16) func(Reply) (modbus.PDU, bool) {
	return func(Reply) (modbus.PDU, bool) {
		if len(addresses) == 0 {
			return modbus.PDU{}, false
		}
		next := read(addresses[0])
		addresses = addresses[1:]
		return next, true
	}
}

func addresses(seen []modbus.ADU) (all []uint16) {
	for _, a := range seen {
		all = append(all, modbus.Registers(a.PDU.Data)[0])
	}
	return all
}

// Nobody's request comes between the parts of a sequence, on a line that carries one
// transaction at a time, and on one that carries several.
func TestSequenceHasTheLineAlone(t *testing.T) {
	for _, inFlight := range []int{1, 4} {
		t.Run(fmt.Sprint(inFlight), func(t *testing.T) {
			var open, sequences, between atomic.Int64
			d := &device{took: 200 * time.Microsecond, answer: func(a modbus.ADU) (modbus.PDU, error) {
				if n := open.Load(); n > 0 && a.Unit != byte(n) {
					between.Add(1)
				}
				return registers(a)
			}}
			b := run(t, Options{Line: d, InFlight: inFlight, Queue: 1000})
			var waiting sync.WaitGroup
			submit := func(r *Request) {
				waiting.Add(1)
				r.Done = func(Reply) { waiting.Done() }
				if err := b.Submit(r); err != nil {
					t.Fatal(err)
				}
			}
			for i := range byte(40) {
				unit := 10 + i
				submit(&Request{Unit: 1, PDU: read(1)})
				left := 4
				submit(&Request{Unit: unit, PDU: read(1), Next: func(Reply) (modbus.PDU, bool) {
					open.Store(int64(unit))
					if left--; left == 0 {
						sequences.Add(1)
						open.Store(0)
					}
					return read(1), left > 0
				}})
			}
			waiting.Wait()
			if between.Load() != 0 || sequences.Load() != 40 {
				t.Errorf("%d sequences, and %d transactions of others in the middle of one", sequences.Load(), between.Load())
			}
		})
	}
}

// A sequence ends where its Next says so; Done gets the last reply, Leaving is called
// once, and its time is over only before it has begun.
func TestSequenceIsAnsweredOnce(t *testing.T) {
	d := &device{answer: registers}
	b := run(t, Options{Line: d})
	done := make(chan Reply, 10)
	leaving := 0
	r := &Request{Unit: 1, PDU: read(1), Leaving: func() { leaving++ }, Done: func(r Reply) { done <- r }, Expires: time.Now().Add(50 * time.Millisecond)}
	next := steps(2, 3)
	r.Next = func(r Reply) (modbus.PDU, bool) {
		time.Sleep(60 * time.Millisecond) // beyond the time it had to begin
		return next(r)
	}
	if err := b.Submit(r); err != nil {
		t.Fatal(err)
	}
	if reply := <-done; reply.Err != nil || modbus.Registers(reply.PDU.Data[1:])[0] != 3 {
		t.Errorf("reply %+v, want that of the last transaction", reply)
	}
	if got := addresses(d.seen); !slices.Equal(got, []uint16{1, 2, 3}) || leaving != 1 {
		t.Errorf("transactions %v, %d times told of leaving", got, leaving)
	}
}

// The first failure is told to Next, which decides.
func TestSequenceLearnsOfFailures(t *testing.T) {
	gone := &transport.Error{Kind: transport.Unavailable, Err: errors.New("unplugged")}
	b := run(t, Options{Line: &device{answer: func(modbus.ADU) (modbus.PDU, error) { return modbus.PDU{}, gone }}})
	done, told := make(chan Reply, 1), make(chan error, 1)
	err := b.Submit(&Request{Unit: 1, PDU: read(1), Done: func(r Reply) { done <- r }, Next: func(r Reply) (modbus.PDU, bool) {
		told <- r.Err
		return modbus.PDU{}, false
	}})
	if err != nil {
		t.Fatal(err)
	}
	if r := <-done; !errors.Is(r.Err, gone) || r.Sent || !errors.Is(<-told, gone) {
		t.Errorf("reply %+v", r)
	}
}

// A sequence is somebody's write, even where it begins with a read.
func TestSequenceGoesBeforeReads(t *testing.T) {
	q := newQueue(10)
	for i, r := range []*Request{{PDU: read(1)}, {PDU: read(2), Next: steps()}} {
		if _, err := q.push(r); err != nil {
			t.Fatal(i, err)
		}
	}
	if r := q.pop(t.Context()); r.Next == nil {
		t.Error("a read goes before a sequence")
	}
}
