package transport

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakeDriver notes what it is asked and answers with err. What only real hardware can
// show: that the transceiver's direction follows, in time for the first and until
// after the last bit, that the levels of DTR and RTS change, and that bytes really
// come earlier.
type fakeDriver struct {
	asked []string
	err   error
}

func (d *fakeDriver) ask(format string, args ...any) error {
	d.asked = append(d.asked, fmt.Sprintf(format, args...))
	return d.err
}

func (d *fakeDriver) SetDTR(on bool) error   { return d.ask("DTR %v", on) }
func (d *fakeDriver) SetRTS(on bool) error   { return d.ask("RTS %v", on) }
func (d *fakeDriver) setRS485(o RS485) error { return d.ask("RS485 %v", o) }
func (d *fakeDriver) setLowLatency() error   { return d.ask("low latency") }

func TestDriverOptions(t *testing.T) {
	slow := RS485{Inverted: true, DelayBefore: time.Millisecond}
	auto := RS485{Optional: true}
	for name, c := range map[string]struct {
		o     SerialOptions
		err   error // of the driver
		asked []string
		says  string // the error
		logs  string
	}{
		"nothing is touched that is not set": {err: syscall.ENOTTY},
		"all": {
			o:     SerialOptions{RS485: &slow, DTR: "off", RTS: "on", LowLatency: true},
			asked: []string{fmt.Sprintf("RS485 %v", slow), "DTR false", "RTS true", "low latency"},
		},
		"no RS-485":                  {o: SerialOptions{RS485: &slow}, err: syscall.ENOTTY, asked: []string{fmt.Sprintf("RS485 %v", slow)}, says: "the driver of serial port COM1 has no RS-485 control: remove rs485 if"},
		"RS-485 is refused":          {o: SerialOptions{RS485: &slow}, err: syscall.EINVAL, asked: []string{fmt.Sprintf("RS485 %v", slow)}, says: "write rs485: auto"},
		"RS-485 is unknown":          {o: SerialOptions{RS485: &slow}, err: syscall.ENOSYS, asked: []string{fmt.Sprintf("RS485 %v", slow)}, says: "no RS-485 control"},
		"RS-485 if there is":         {o: SerialOptions{RS485: &auto}, err: errors.ErrUnsupported, asked: []string{fmt.Sprintf("RS485 %v", auto)}, logs: "has no RS-485 control"},
		"RS-485 fails":               {o: SerialOptions{RS485: &auto}, err: syscall.EIO, asked: []string{fmt.Sprintf("RS485 %v", auto)}, says: "cannot set up RS-485 on serial port COM1"},
		"no DTR":                     {o: SerialOptions{DTR: "on"}, err: syscall.ENOTTY, asked: []string{"DTR true"}, says: "serial port COM1 has no DTR that could be switched on: remove that option"},
		"no RTS":                     {o: SerialOptions{RTS: "off"}, err: syscall.ENOTTY, asked: []string{"RTS false"}, says: "no RTS that could be switched off"},
		"neither on nor off":         {o: SerialOptions{RTS: "high"}, says: `RTS "high": it must be on or off`},
		"low latency is but a hint":  {o: SerialOptions{LowLatency: true}, err: syscall.EPERM, asked: []string{"low latency"}, logs: "passed on"},
		"low latency is not logged ": {o: SerialOptions{LowLatency: true}, asked: []string{"low latency"}},
	} {
		t.Run(name, func(t *testing.T) {
			var logged bytes.Buffer
			driver := &fakeDriver{err: c.err}
			c.o.Path, c.o.Log = "COM1", slog.New(slog.NewTextHandler(&logged, nil))
			err := c.o.apply(driver, driver)
			if !reflect.DeepEqual(driver.asked, c.asked) {
				t.Errorf("asked %q, want %q", driver.asked, c.asked)
			}
			if (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
			if (logged.Len() > 0) != (c.logs != "") || !strings.Contains(logged.String(), c.logs) {
				t.Errorf("logged %q, want %q", logged.String(), c.logs)
			}
		})
	}
}
