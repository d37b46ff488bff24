package transport

import (
	"testing"
	"testing/synctest"
	"time"

	"modferry/modbus"
)

func TestRow31ASCIIRestart(t *testing.T) {
	good := string(modbus.AppendASCII(nil, modbus.ADU{Unit: 1, PDU: modbus.PDU{FunctionCode: 3, Data: []byte{2, 0, 5}}}))
	other := string(modbus.AppendASCII(nil, modbus.ADU{Unit: 2, PDU: modbus.PDU{FunctionCode: 3, Data: []byte{2, 0, 6}}}))
	for name, said := range map[string]string{
		"restarted":          ":0103" + good,
		"restarted twice":    "::01:0103" + good,
		"noise before":       "\x00\r\nOK 42" + good,
		"broken line before": ":01030200FFFF\r\n" + good,
		"not hex before":     ":hello\r\n" + good,
		"wrong unit before":  other + good,
		"LF only":            good[:len(good)-2] + "\n",
		"endless before":     ":" + string(make([]byte, 600)) + good,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := newLine(t, StreamOptions{Framing: modbus.ASCII}, slow(), func(d *fakeDevice, _ []byte) { d.say([]byte(said)) })
				defer d.close(s)
				if err := ask(s, 1, 5); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A pause of less than a second between two characters is allowed, a longer one is not.
func TestASCIIPause(t *testing.T) {
	good := modbus.AppendASCII(nil, modbus.ADU{Unit: 1, PDU: modbus.PDU{FunctionCode: 3, Data: []byte{2, 0, 5}}})
	for pause, answered := range map[time.Duration]bool{900 * time.Millisecond: true, 1100 * time.Millisecond: false} {
		synctest.Test(t, func(t *testing.T) {
			s, d := newLine(t, StreamOptions{Framing: modbus.ASCII, Timeout: 5 * time.Second}, slow(), func(d *fakeDevice, _ []byte) {
				d.say(good[:6])
				d.sayLater(pause, good[6:])
			})
			defer d.close(s)
			_, err := s.Send(readOne(modbus.ASCII, 1, 5))
			if answered && err != nil {
				t.Errorf("pause %v: %v", pause, err)
			} else if !answered {
				wantKind(t, err, Timeout, true)
			}
		})
	}
}

func TestASCIIEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newLine(t, StreamOptions{Framing: modbus.ASCII, Echo: true}, slow(), func(d *fakeDevice, request []byte) {
			d.say(request)
			if len(d.requests()) == 1 {
				d.say(request) // the reply to function 6
			}
		})
		defer d.close(s)
		write := modbus.AppendASCII(nil, modbus.ADU{Unit: 1, PDU: modbus.WriteRegisterRequest(1, 2)})
		if _, err := s.Send(write); err != nil {
			t.Error(err)
		}
		_, err := s.Send(write)
		wantKind(t, err, Timeout, true)
	})
}
