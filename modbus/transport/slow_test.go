package transport

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"modferry/modbus"
)

// paced answers a request like a device on a line of this speed: its bytes come one by
// one, after the request was on the line and the device has thought.
func paced(speed Timing, thinks time.Duration, reply func(request []byte) []byte) script {
	return func(d *fakeDevice, request []byte) {
		at := thinks + time.Duration(len(request))*speed.Char
		for i, b := range reply(request) {
			d.sayLater(at+time.Duration(i+1)*speed.Char, []byte{b})
		}
	}
}

// replyTo30 answers any request for 30 registers.
func replyTo30(f modbus.Framing) func([]byte) []byte {
	return func([]byte) []byte {
		return f.Append(nil, modbus.ADU{Unit: 1, PDU: modbus.PDU{FunctionCode: 4, Data: append([]byte{60}, make([]byte, 60)...)}})
	}
}

func ask30(s *Stream) error {
	_, err := s.Send(s.Framing().Append(nil, modbus.ADU{Unit: 1, PDU: modbus.ReadRequest(modbus.ReadInputRegisters, 0, 30)}))
	return err
}

// The timeout is the device's own: the time that request and reply take at the speed
// of the line, here up to a second, comes on top of it.
func TestTimeoutWithoutTheTimeOnTheLine(t *testing.T) {
	for _, baud := range []int{1200, 2400, 9600, 115200} {
		for _, f := range []modbus.Framing{modbus.RTU, modbus.ASCII} {
			synctest.Test(t, func(t *testing.T) {
				speed := timing(baud, 10)
				s, d := newLine(t, StreamOptions{Framing: f}, speed, paced(speed, timeout-10*time.Millisecond, replyTo30(f)))
				defer d.close(s)
				if err := ask30(s); err != nil {
					t.Errorf("%v at %d baud: %v", f, baud, err)
				}
				d.fromNow(nil)
				start, length := time.Now(), f.Size(5)+f.Size(62)
				wantKind(t, ask30(s), Timeout, true)
				if took, want := time.Since(start), timeout+time.Duration(length)*speed.Char; took < want || took > want+speed.Silence {
					t.Errorf("%v at %d baud: silence was given %v, want %v", f, baud, took, want)
				}
			})
		}
	}
}

// A reply that is still coming at the end of the wait is not called noise: the timeout
// is too short. One that stopped, and bytes of anything else, are.
func TestReplyThatIsCutOff(t *testing.T) {
	speed := timing(2400, 10)
	const late = timeout + 50*time.Millisecond
	for _, f := range []modbus.Framing{modbus.RTU, modbus.ASCII} {
		whole := replyTo30(f)
		for name, c := range map[string]struct {
			device script
			timing Timing
			cut    bool
		}{
			"late":                 {paced(speed, late, whole), speed, true},
			"late, over a network": {paced(speed, 200*time.Millisecond, whole), Timing{}, true},
			"silent":               {nil, speed, false},
			"it stopped":           {paced(speed, 0, func(q []byte) []byte { return whole(q)[:20] }), speed, false},
			"another unit":         {paced(speed, late, func([]byte) []byte { return make([]byte, 70) }), speed, false},
		} {
			t.Run(f.String()+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, d := newLine(t, StreamOptions{Framing: f}, c.timing, c.device)
					defer d.close(s)
					err := ask30(s)
					wantKind(t, err, Timeout, true)
					var failed *Error
					if says := strings.Contains(err.Error(), "cut off") && strings.Contains(err.Error(), "longer timeout"); !errors.As(err, &failed) || failed.Cut != c.cut || says != c.cut {
						t.Errorf("cut %v: %v", failed.Cut, err)
					}
					d.fromNow(paced(speed, 0, func([]byte) []byte { return whole(nil) }))
					if c.timing.network() {
						return
					}
					if err := ask30(s); err != nil {
						t.Errorf("the next request: %v", err)
					}
				})
			})
		}
	}
}
