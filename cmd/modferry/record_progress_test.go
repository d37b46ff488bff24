package main

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/simulator/recording"
)

func TestRecordProgress(t *testing.T) {
	for want, p := range map[string]recording.Progress{
		"looking for what the device has: input registers up to 124":   {Reading: modbus.Span{Table: modbus.InputRegisters, Quantity: 125}},
		"61 rows in 1m0s; Ctrl-C ends it":                              {Rows: 61, Elapsed: time.Minute},
		"61 rows in 1m5s; not all was answered for 5s; Ctrl-C ends it": {Rows: 61, Elapsed: 65 * time.Second, Silent: 5 * time.Second, Error: errors.New("x")},
		"0 rows in 0s; not all was answered for 0s; Ctrl-C ends it":    {Error: errors.New("x")},
	} {
		if got := progressText(p); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	var out bytes.Buffer
	line := progressLine{w: &out, on: isTerminal(&out)}
	line.show(recording.Progress{Rows: 1})
	line.end()
	if out.Len() > 0 {
		t.Errorf("there is no terminal, and %q was written", out.String())
	}
	line.on = true
	line.show(recording.Progress{Rows: 1})
	line.show(recording.Progress{Rows: 2}) // too soon
	line.end()
	if got := out.String(); got != "\r\x1b[K1 rows in 0s; Ctrl-C ends it\r\x1b[K" {
		t.Errorf("on a terminal is %q", got)
	}
}
