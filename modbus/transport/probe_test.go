package transport

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"modferry/modbus"
)

func probe(unit byte) []byte {
	return modbus.AppendRTU(nil, modbus.ADU{Unit: unit, PDU: modbus.ReadRequest(3, 0, 1)})
}

// A silent unit costs its request, the timeout and the silence before it; one that
// begins its reply just in time has it read to the end.
func TestProbeCostsTheTimeoutAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const patience = 50 * time.Millisecond
		s, d := newLine(t, StreamOptions{Timeout: patience}, slow(), nil)
		defer d.close(s)
		start := time.Now()
		for unit := byte(1); unit <= 100; unit++ {
			var failed *Error
			if _, other, err := s.Probe(context.Background(), probe(unit)); !errors.As(err, &failed) || failed.Kind != Timeout || len(other) > 0 {
				t.Fatalf("% X, %v", other, err)
			}
		}
		least := 100 * (patience + 8*slow().Char) // the silence before the next request was in the timeout
		if took := time.Since(start); took > least+slow().Silence {
			t.Errorf("100 silent units took %v, the least is %v", took, least)
		}
		for _, begins := range []time.Duration{0, patience - time.Millisecond} {
			d.fromNow(func(d *fakeDevice, q []byte) {
				for i, b := range answer(q) {
					d.sayLater(8*slow().Char+begins+time.Duration(i+1)*slow().Char/2, []byte{b})
				}
			})
			reply, _, err := s.Probe(context.Background(), probe(9))
			if err != nil || !bytes.Equal(reply, answer(probe(9))) {
				t.Errorf("%v: % X, %v", begins, reply, err)
			}
		}
	})
}

// The late reply of a unit comes with the probe of the next, and is not its answer.
func TestProbeTellsLateReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newLine(t, StreamOptions{Timeout: 50 * time.Millisecond}, slow(), func(d *fakeDevice, q []byte) {
			if q[0] == 7 {
				d.sayLater(90*time.Millisecond, answer(q))
			}
		})
		defer d.close(s)
		var found []byte
		for unit := byte(6); unit < 10; unit++ {
			_, other, err := s.Probe(context.Background(), probe(unit))
			if err == nil {
				t.Errorf("unit %d is not there and answers", unit)
			}
			if bytes.Contains(other, answer(probe(7))) {
				found = append(found, unit)
			}
		}
		if !slices.Equal(found, []byte{8}) {
			t.Errorf("the late reply came with the probes of %v", found)
		}
		// It may also come just before the reply of the next.
		d.fromNow(func(d *fakeDevice, q []byte) {
			if q[0] == 7 {
				d.sayLater(90*time.Millisecond, answer(q))
			} else {
				d.sayLater(45*time.Millisecond, answer(q))
			}
		})
		if _, _, err := s.Probe(context.Background(), probe(7)); err == nil {
			t.Fatal("an answer in time")
		}
		reply, other, err := s.Probe(context.Background(), probe(8))
		if err != nil || !bytes.Equal(reply, answer(probe(8))) || !bytes.Equal(other, answer(probe(7))) {
			t.Errorf("% X, % X, %v", reply, other, err)
		}
		// What is not a probe waits for the line to be drained, as always.
		d.fromNow(nil)
		if _, _, err := s.Probe(context.Background(), probe(7)); err == nil {
			t.Fatal("an answer")
		}
		d.sayLater(30*time.Millisecond, modbus.AppendRTU(nil, modbus.ADU{Unit: 7, PDU: modbus.PDU{FunctionCode: 3, Data: []byte{2, 0xDE, 0xAD}}}))
		d.fromNow(func(d *fakeDevice, q []byte) { d.sayLater(0, answer(q)) })
		if err := ask(s, 7, 0); err != nil {
			t.Error(err)
		}
	})
}
