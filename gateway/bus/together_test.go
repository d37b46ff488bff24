package bus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"modferry/modbus"
	"modferry/modbus/transport"
)

func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &transport.Error{Kind: transport.Timeout, Sent: true, Err: errors.New("silence")}
		d := &device{took: 10 * time.Millisecond, answer: func(a modbus.ADU) (modbus.PDU, error) {
			if a.PDU.Data[1] == 3 {
				return modbus.PDU{}, broken
			}
			return registers(a)
		}}
		b := run(t, Options{Line: d, InFlight: 4})
		together := b.Together(t.Context(), 1)
		for range 2 { // what was made for the first time is used again
			start := time.Now()
			replies := together.Do([]modbus.PDU{read(1), read(2), read(3), read(4)})
			if took := time.Since(start); took != 10*time.Millisecond {
				t.Errorf("four at a time took %v", took)
			}
			for i, r := range replies {
				switch {
				case i == 2 && !errors.Is(r.Err, broken):
					t.Errorf("the third: %v", r.Err)
				case i != 2 && (r.Err != nil || int(modbus.Registers(r.PDU.Data[1:])[0]) != i+1):
					t.Errorf("reply %d is % X, %v", i, r.PDU.Data, r.Err)
				}
			}
		}
		if replies := together.Do(nil); len(replies) != 0 {
			t.Errorf("nothing is answered with %v", replies)
		}
	})
}

func TestTogetherEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t, Options{Line: &device{took: 100 * time.Millisecond, answer: registers}})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		replies := b.Together(ctx, 1).Do([]modbus.PDU{read(1), read(2), read(3)})
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("it took %v, want until what was sent is answered", took)
		}
		if replies[0].Err != nil || !errors.Is(replies[1].Err, ErrGone) || !errors.Is(replies[2].Err, ErrGone) {
			t.Errorf("%v, want the first and no others", replies)
		}
	})
}
