package bus

import (
	"errors"
	"testing"

	"modferry/modbus"
)

// A request that is too late is not sent: not at first, not after waiting for a disk,
// and nothing more of a sequence that has begun.
func TestNothingIsSentLate(t *testing.T) {
	for name, c := range map[string]struct {
		inTime int // how often it is asked and not too late
		sent   int
	}{
		"when its turn comes":   {0, 0},
		"when the disk has it":  {1, 0},
		"between two of a kind": {2, 1},
		"never":                 {6, 3},
	} {
		t.Run(name, func(t *testing.T) {
			d := &device{answer: registers}
			b := run(t, Options{Line: d})
			done := make(chan Reply, 1)
			asked := 0
			next := steps(2, 3)
			r := &Request{
				Unit: 1, PDU: read(1), Leaving: func() {}, Done: func(r Reply) { done <- r },
				Late: func() bool { asked++; return asked > c.inTime },
				Next: func(r Reply) (modbus.PDU, bool) {
					if r.Err != nil {
						return modbus.PDU{}, false
					}
					return next(r)
				},
			}
			if err := b.Submit(r); err != nil {
				t.Fatal(err)
			}
			reply := <-done
			if late := errors.Is(reply.Err, ErrExpired); late != (c.sent < 3) || late && reply.Sent {
				t.Errorf("reply %+v", reply)
			}
			if len(d.seen) != c.sent {
				t.Errorf("%d frames reached the line, want %d", len(d.seen), c.sent)
			}
		})
	}
}
