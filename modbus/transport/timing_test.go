package transport

import (
	"errors"
	"testing"
	"time"
)

func TestTiming(t *testing.T) {
	for _, c := range []struct {
		o             SerialOptions
		char, silence time.Duration // in microseconds
	}{
		{SerialOptions{Baud: 9600, Parity: "even"}, 1145, 4010}, // 11 bits, as the standard has it
		{SerialOptions{Baud: 9600, StopBits: 2}, 1145, 4010},    // likewise
		{SerialOptions{}, 1041, 3645},                           // 8N1 at 9600
		{SerialOptions{Baud: 19200, Parity: "odd"}, 572, 2005},  // the last computed one
		{SerialOptions{Baud: 38400, Parity: "even"}, 286, 1750}, // fixed above
		{SerialOptions{Baud: 115200}, 86, 1750},                 //
		{SerialOptions{Baud: 1200, DataBits: 7, Parity: "even"}, 8333, 29166},
		{SerialOptions{Baud: 9600, DataBits: 7}, 937, 3281}, // 9 bits
		{SerialOptions{Baud: 9600, Parity: "mark", StopBits: 2}, 1250, 4375},
		{SerialOptions{Baud: 300, DataBits: 5}, 23333, 81666},
		{SerialOptions{Baud: 14400}, 694, 2430}, // no round number either
		{SerialOptions{Baud: 3_000_000}, 3, 1750},
	} {
		mode, bits, err := c.o.mode()
		if err != nil {
			t.Fatal(err)
		}
		got := timing(mode.BaudRate, bits)
		if got.Char.Microseconds() != int64(c.char) || got.Silence.Microseconds() != int64(c.silence) {
			t.Errorf("%+v: %v, %v", c.o, got.Char, got.Silence)
		}
	}
}

func TestBackoff(t *testing.T) {
	var b backoff
	now := time.Now()
	want := []time.Duration{0, 100, 200, 400, 800, 1000, 1000, 1000}
	for i, ms := range want {
		b.failed(now, errors.New("refused"))
		most := ms * time.Millisecond
		if pause := b.until.Sub(now); i > 0 && (pause > most || pause < most*3/4) {
			t.Errorf("after failure %d: %v, want up to %v", i+1, pause, most)
		}
		if err := b.refuse(now); (err != nil) != (i > 0) {
			t.Errorf("after failure %d: %v", i+1, err)
		}
	}
	if err := b.refuse(now.Add(longestPause)); err != nil {
		t.Errorf("a second later: %v", err)
	}
	b.reset()
	if err := b.refuse(now); err != nil {
		t.Errorf("after success: %v", err)
	}
}
