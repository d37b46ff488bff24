package mqtt

import (
	"slices"
	"sync"
	"testing"
)

// newHeld returns one whose acknowledgements are written down.
func newHeld() (h *held, acked *[]int, add func(n int) func()) {
	h, acked = &held{rouse: func() {}}, new([]int)
	return h, acked, func(n int) func() { return h.add(func() { *acked = append(*acked, n) }) }
}

func TestAcknowledgementsKeepTheOrder(t *testing.T) {
	h, acked, add := newHeld()
	var acks []func()
	for n := range 4 {
		acks = append(acks, add(n))
	}
	for _, step := range []struct {
		ack  int
		want []int
	}{{2, nil}, {0, []int{0}}, {0, []int{0}}, {1, []int{0, 1, 2}}, {3, []int{0, 1, 2, 3}}} {
		acks[step.ack]()
		h.flush()
		if !slices.Equal(*acked, step.want) {
			t.Errorf("after %d: %v, want %v", step.ack, *acked, step.want)
		}
	}
}

func TestTooManyLetTheOldestGo(t *testing.T) {
	h, acked, add := newHeld()
	first := add(0)
	for n := 1; n < 2*maxHeld; n++ {
		add(n)
	}
	h.flush()
	first() // too late, and harmless
	h.flush()
	if len(*acked) != maxHeld || !slices.IsSorted(*acked) {
		t.Errorf("acknowledged early: %v", *acked)
	}
	if h.add(nil)(); len(h.list) != maxHeld {
		t.Errorf("a message without acknowledgement is held: %d", len(h.list))
	}
}

func TestAcknowledgeFromManyGoroutines(t *testing.T) {
	h, acked, add := newHeld()
	var all sync.WaitGroup
	for n := range 1000 {
		all.Go(add(n))
		if n%7 == 0 {
			h.flush()
		}
	}
	all.Wait()
	h.flush()
	if len(*acked) != 1000 || !slices.IsSorted(*acked) {
		t.Errorf("%d acknowledged, in order: %t", len(*acked), slices.IsSorted(*acked))
	}
}
