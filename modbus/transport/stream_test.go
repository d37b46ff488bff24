package transport

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"modferry/modbus"
)

// A reply that comes 1.1, 1.5 or 1.9 timeouts after its request is never taken as
// the answer to a later one, and the later one is answered.
func TestRow01LateReply(t *testing.T) {
	const rounds = 1000
	synctest.Test(t, func(t *testing.T) {
		s, d := newLine(t, StreamOptions{}, slow(), nil)
		defer d.close(s)
		answerAfter := func(delay time.Duration) {
			d.fromNow(func(d *fakeDevice, request []byte) { d.sayLater(delay, answer(request)) })
		}
		for i := range rounds {
			answerAfter(timeout * time.Duration([]int{11, 15, 19}[i%3]) / 10)
			wantKind(t, ask(s, 1, uint16(2*i)), Timeout, true)
			answerAfter(5 * time.Millisecond)
			if err := ask(s, 1, uint16(2*i+1)); err != nil {
				t.Fatalf("round %d: %v", i, err)
			}
		}
	})
}

// A line that never falls silent after a timeout is used again after two more.
func TestRow01DrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newLine(t, StreamOptions{}, slow(), func(d *fakeDevice, request []byte) {
			if len(d.requests()) > 1 {
				d.say(answer(request))
				return
			}
			for i := range 200 { // for 2 s, never quiet for as long as a timeout
				d.sayLater(time.Duration(i)*10*time.Millisecond, []byte{0xFF})
			}
		})
		defer d.close(s)
		wantKind(t, ask(s, 1, 1), Timeout, true)
		start := time.Now()
		if err := ask(s, 1, 2); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 2*timeout || took > 2*timeout+50*time.Millisecond {
			t.Errorf("the next request took %v, want about two timeouts", took)
		}
	})
}

// Once the line was silent for long enough after a timeout, requests go out at once again.
func TestRow01DrainedOnceIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newLine(t, StreamOptions{}, slow(), func(d *fakeDevice, request []byte) {
			if request[0] == 1 {
				d.say(answer(request))
			}
		})
		defer d.close(s)
		wantKind(t, ask(s, 2, 1), Timeout, true)
		for i, most := range []time.Duration{timeout + 50*time.Millisecond, 50 * time.Millisecond, 50 * time.Millisecond} {
			start := time.Now()
			if err := ask(s, 1, uint16(i)); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > most {
				t.Errorf("request %d after a timeout took %v, want at most %v", i+1, took, most)
			}
		}
	})
}

func TestRow03Echo(t *testing.T) {
	pdus := []modbus.PDU{
		modbus.ReadRequest(modbus.ReadHoldingRegisters, 0, 2),
		modbus.WriteCoilRequest(1, true),
		modbus.WriteRegisterRequest(1, 2),
		{FunctionCode: modbus.Diagnostics, Data: []byte{0, 0, 1, 2}},
		modbus.WriteRegistersRequest(1, []uint16{1, 2}),
		modbus.MaskWriteRequest(1, 2, 3),
		{FunctionCode: 65, Data: []byte{1, 2, 3}},
	}
	devices := map[string]script{
		"dead":                 func(d *fakeDevice, request []byte) { d.say(request) },
		"dead, echo in pieces": func(d *fakeDevice, request []byte) { d.say(request[:3]); d.sayLater(time.Millisecond, request[3:]) },
		"dead, noise before":   func(d *fakeDevice, request []byte) { d.say(append([]byte{0xFF, request[0]}, request...)) },
		"dead, echo spoiled":   func(d *fakeDevice, request []byte) { d.say(append([]byte{request[0] ^ 1}, request[1:]...)) },
		"no echo, no device":   nil,
	}
	for name, do := range devices {
		for _, pdu := range pdus {
			synctest.Test(t, func(t *testing.T) {
				s, d := newLine(t, StreamOptions{Echo: true}, slow(), do)
				defer d.close(s)
				if reply, err := s.Send(modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: pdu})); err == nil {
					t.Errorf("%s: function %d succeeded with % X", name, pdu.FunctionCode, reply)
				} else {
					wantKind(t, err, Timeout, true)
				}
			})
		}
	}
}

func TestRow03EchoThenReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newLine(t, StreamOptions{Echo: true}, slow(), func(d *fakeDevice, request []byte) {
			d.say(append(append([]byte{0x00}, request...), answer(request)[:4]...))
			d.sayLater(20*time.Millisecond, answer(request)[4:])
		})
		defer d.close(s)
		for address := range uint16(10) {
			if err := ask(s, 1, address); err != nil {
				t.Fatal(err)
			}
		}
		write := modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: modbus.WriteRegisterRequest(3, 4)})
		if reply, err := s.Send(write); err != nil || !bytes.Equal(reply, write) {
			t.Errorf("a write was answered with % X, %v", reply, err)
		}
	})
}

// One to eight bytes of noise before or after the reply change nothing.
func TestRow04Noise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(4, 4))
		s, d := newLine(t, StreamOptions{}, slow(), nil)
		defer d.close(s)
		rounds, answered := 0, 0
		for _, before := range []bool{true, false} {
			for n := 1; n <= 8; n++ {
				for range 256 {
					noise := make([]byte, n)
					for i := range noise {
						noise[i] = byte(random.Uint32())
					}
					if n > 2 && random.IntN(8) == 0 {
						noise[0], noise[1] = 1, modbus.ReadHoldingRegisters // looks like the beginning of a reply
					}
					d.fromNow(func(d *fakeDevice, request []byte) {
						if before {
							d.say(append(noise, answer(request)...))
						} else {
							d.say(append(answer(request), noise...))
						}
					})
					rounds++
					switch err := ask(s, 1, uint16(rounds)); {
					case err == nil:
						answered++
					case errors.Is(err, errWrongValue):
						t.Fatalf("noise % X: %v", noise, err)
					}
				}
			}
		}
		if answered*1000 < rounds*999 {
			t.Errorf("%d of %d requests were answered, want 99.9 %%", answered, rounds)
		}
	})
}

func TestRow05DrippedBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newLine(t, StreamOptions{Timeout: 2 * time.Second}, slow(), func(d *fakeDevice, request []byte) {
			reply := append([]byte{request[0], request[1], 7, 8, 9}, 0, 0)
			if request[1] < 65 {
				reply = answer(request)
			} else {
				reply = modbus.AppendRTU(nil, modbus.ADU{Unit: reply[0], PDU: modbus.PDU{FunctionCode: reply[1], Data: reply[2:]}})
			}
			for i := range reply {
				d.sayLater(time.Duration(20*(i+1))*time.Millisecond, reply[i:i+1])
			}
		})
		defer d.close(s)
		pdus := []modbus.PDU{
			modbus.ReadRequest(modbus.ReadHoldingRegisters, 1, 1),
			modbus.ReadRequest(modbus.ReadInputRegisters, 1, 30),
			modbus.WriteRegisterRequest(1, 2),
			{FunctionCode: modbus.ReadFIFOQueue, Data: []byte{0, 1}}, // an exception
			{FunctionCode: 65, Data: []byte{1}},                      // whose reply only silence ends
		}
		for _, pdu := range pdus {
			if _, err := s.Send(modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: pdu})); err != nil {
				t.Errorf("function %d: %v", pdu.FunctionCode, err)
			}
		}
	})
}

// requestOf returns a request of a function that has a length it can have.
func requestOf(function byte) modbus.PDU {
	for n := range modbus.MaxPDU {
		data := make([]byte, n)
		if n > 0 && function == modbus.EncapsulatedInterface {
			data[0] = modbus.ReadDeviceIdentification
		}
		if n > 3 {
			data[3] = 1 // a quantity
		}
		if modbus.HasRequestLength(append([]byte{function}, data...)) {
			return modbus.PDU{FunctionCode: function, Data: data}
		}
	}
	panic("no request")
}

// replyTo returns a reply that answers a request.
func replyTo(q modbus.PDU) modbus.PDU {
	for _, data := range [][]byte{
		q.Data, {1, 0}, {2, 0, 0}, {0}, {0, 0, 0, 0}, {0, 2, 0, 0}, {2, 1, 2}, q.Data[:min(4, len(q.Data))],
		{modbus.ReadDeviceIdentification, 1, 1, 0, 0, 1, 0, 2, 'a', 'b'},
	} {
		r := modbus.PDU{FunctionCode: q.FunctionCode, Data: data}
		if modbus.CheckReply(q, r) == nil {
			return r
		}
	}
	panic("no reply")
}

// Every function code is answered well before the timeout, and an unanswered or
// garbled one ends with it.
func TestRow06All127Functions(t *testing.T) {
	for _, timing := range []Timing{slow(), {}} {
		synctest.Test(t, func(t *testing.T) {
			s, d := newLine(t, StreamOptions{}, timing, nil)
			defer d.close(s)
			do := func(mode string, d *fakeDevice, request []byte) {
				q, _ := modbus.ParseRTU(request)
				reply := modbus.ADU{Unit: q.Unit, PDU: replyTo(q.PDU)}
				switch mode {
				case "exception":
					reply.PDU = modbus.ExceptionPDU(q.PDU.FunctionCode, modbus.IllegalFunction)
				case "truncated":
					whole := modbus.AppendRTU(nil, reply)
					d.say(whole[:len(whole)-1])
					return
				case "silent":
					return
				}
				d.say(modbus.AppendRTU(nil, reply))
			}
			for _, mode := range []string{"normal", "exception", "truncated", "silent"} {
				d.fromNow(func(d *fakeDevice, request []byte) { do(mode, d, request) })
				for function := byte(1); function < 128; function++ {
					start := time.Now()
					_, err := s.Send(modbus.AppendRTU(nil, modbus.ADU{Unit: 9, PDU: requestOf(function)}))
					took := time.Since(start)
					switch {
					case mode == "normal" || mode == "exception":
						if err != nil || took > 2*timeout { // a timeout of silence can be left from before
							t.Errorf("function %d, %s: %v after %v", function, mode, err, took)
						}
					case took > 3*timeout+time.Second/10:
						t.Errorf("function %d, %s: took %v", function, mode, took)
					default:
						wantKind(t, err, Timeout, true)
					}
				}
			}
		})
	}
}

// Good frames of another unit or function, and replies of another shape, are
// passed over while the timer runs; the right one that follows is taken.
func TestRow07WrongUnit(t *testing.T) {
	registers := func(unit, function byte, values ...uint16) []byte {
		data := modbus.AppendRegisters([]byte{byte(2 * len(values))}, values...)
		return modbus.AppendRTU(nil, modbus.ADU{Unit: unit, PDU: modbus.PDU{FunctionCode: function, Data: data}})
	}
	wrong := map[string][]byte{
		"unit":               registers(2, modbus.ReadHoldingRegisters, 666),
		"function":           registers(1, modbus.ReadInputRegisters, 666),
		"quantity":           registers(1, modbus.ReadHoldingRegisters, 666, 667),
		"exception of other": modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: modbus.ExceptionPDU(4, 2)}),
		"crc":                append(registers(1, modbus.ReadHoldingRegisters, 666)[:6], 0),
		"another's request":  readOne(modbus.RTU, 1, 666),
	}
	for name, frame := range wrong {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := newLine(t, StreamOptions{}, slow(), func(d *fakeDevice, request []byte) {
					d.sayLater(100*time.Millisecond, frame)
					if len(d.requests()) == 1 {
						d.sayLater(200*time.Millisecond, answer(request))
					}
				})
				defer d.close(s)
				if err := ask(s, 1, 5); err != nil {
					t.Error("wrong, then right:", err)
				}
				start := time.Now()
				wantKind(t, ask(s, 1, 6), Timeout, true)
				want := timeout + slow().Silence + (8+7)*slow().Char // request and reply
				if took := time.Since(start); (took - want).Abs() > slow().Silence {
					t.Errorf("only wrong: ended after %v, want %v", took, want)
				}
			})
		})
	}
}

// What is a reply but for its check code is told from what is none.
func TestTheErrorTellsOfAWrongCheckCode(t *testing.T) {
	const wrong, other = "a reply with a wrong check code came", "bytes came that are no reply of it"
	damage := func(frame []byte, at int) []byte { return append(append(frame[:at:at], frame[at]^1), frame[at+1:]...) }
	ascii := modbus.AppendASCII(nil, modbus.ADU{Unit: 1, PDU: modbus.PDU{FunctionCode: 3, Data: []byte{2, 0, 5}}})
	for name, test := range map[string]struct {
		framing modbus.Framing
		pieces  func(request []byte) [][]byte
		says    string
	}{
		"value":           {modbus.RTU, func(q []byte) [][]byte { return [][]byte{damage(answer(q), 4)} }, wrong},
		"check code":      {modbus.RTU, func(q []byte) [][]byte { return [][]byte{damage(answer(q), 5)} }, wrong},
		"in two pieces":   {modbus.RTU, func(q []byte) [][]byte { a := damage(answer(q), 4); return [][]byte{a[:3], a[3:]} }, wrong},
		"after noise":     {modbus.RTU, func(q []byte) [][]byte { return [][]byte{{0, 0xFF}, damage(answer(q), 4)} }, wrong},
		"ends like units": {modbus.RTU, func(q []byte) [][]byte { return [][]byte{append(damage(answer(q), 4), 1)} }, wrong},
		"an exception": {modbus.RTU, func([]byte) [][]byte {
			return [][]byte{damage(modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: modbus.ExceptionPDU(3, 2)}), 4)}
		}, wrong},
		"noise":           {modbus.RTU, func([]byte) [][]byte { return [][]byte{{0, 0xFF, 3, 1, 2}} }, other},
		"another unit":    {modbus.RTU, func(q []byte) [][]byte { return [][]byte{append([]byte{2}, answer(q)[1:]...)} }, other},
		"an echo":         {modbus.RTU, func(q []byte) [][]byte { return [][]byte{q[:6], q[6:]} }, other},
		"ASCII":           {modbus.ASCII, func([]byte) [][]byte { return [][]byte{damage(ascii, 10)} }, wrong},
		"an echo, ASCII":  {modbus.ASCII, func(q []byte) [][]byte { return [][]byte{q} }, other},
		"no frame, ASCII": {modbus.ASCII, func([]byte) [][]byte { return [][]byte{[]byte(":0103zz\r\n")} }, other},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := newLine(t, StreamOptions{Framing: test.framing}, slow(), func(d *fakeDevice, request []byte) {
					for i, piece := range test.pieces(request) {
						d.sayLater(time.Duration(10+5*i)*time.Millisecond, piece)
					}
				})
				defer d.close(s)
				err := ask(s, 1, 5)
				wantKind(t, err, Timeout, true)
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("%v, want %q", err, test.says)
				}
			})
		})
	}
}

// A reply whose data look like a shorter frame is not mistaken for it, even if it
// pauses right after that.
func TestFrameInsideFrame(t *testing.T) {
	exception := modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: modbus.ExceptionPDU(3, 2)})
	data := append([]byte{8}, exception...)
	whole := modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: modbus.PDU{FunctionCode: 3, Data: append(data, 0, 0, 0)}})
	synctest.Test(t, func(t *testing.T) {
		s, d := newLine(t, StreamOptions{}, slow(), func(d *fakeDevice, request []byte) {
			d.say(whole[:8])
			d.sayLater(30*time.Millisecond, whole[8:])
		})
		defer d.close(s)
		reply, err := s.Send(modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: modbus.ReadRequest(3, 0, 4)}))
		if err != nil || !bytes.Equal(reply, whole) {
			t.Errorf("got % X, %v", reply, err)
		}
	})
}

// A device that hears nothing until a second after opening and for 50 ms after each
// reply loses nothing when the delay is configured.
func TestRow13DelayOnStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const quiet = 50 * time.Millisecond
		deaf := time.Now().Add(quiet)
		s, d := newLine(t, StreamOptions{Delay: quiet}, slow(), func(d *fakeDevice, request []byte) {
			if time.Now().Before(deaf) {
				return
			}
			time.Sleep(timeout - 10*time.Millisecond) // the delay must not be taken from the timeout
			d.say(answer(request))
			deaf = time.Now().Add(quiet)
		})
		defer d.close(s)
		for i := range uint16(50) {
			if err := ask(s, 1, i); err != nil {
				t.Fatalf("request %d: %v", i, err)
			}
		}
	})
}

// Between the last byte of a reply and the first of the next request there are at
// least 3.5 characters, or what is configured instead.
func TestFrameGap(t *testing.T) {
	for want, timing := range map[time.Duration]Timing{
		slow().Silence:          slow(),
		1750 * time.Microsecond: timing(115200, 10),
		200 * time.Microsecond:  {Char: 86 * time.Microsecond, Silence: 1750 * time.Microsecond, Gap: 200 * time.Microsecond},
		20 * time.Millisecond:   {Char: 86 * time.Microsecond, Silence: 1750 * time.Microsecond, Gap: 20 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			replied := time.Now()
			s, d := newLine(t, StreamOptions{}, timing, func(d *fakeDevice, request []byte) {
				if gap := time.Since(replied); gap < want || gap > 2*want {
					t.Errorf("gap %v, want %v", gap, want)
				}
				d.say(answer(request))
				replied = time.Now()
			})
			defer d.close(s)
			for i := range uint16(5) {
				if err := ask(s, 1, i); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestLineIsNeverQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newLine(t, StreamOptions{}, slow(), nil)
		defer d.close(s)
		if err := s.Connect(context.Background()); err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			d.sayLater(time.Duration(i)*time.Millisecond, []byte{0})
		}
		start := time.Now()
		wantKind(t, ask(s, 1, 1), Timeout, false)
		if took := time.Since(start); took > timeout+10*time.Millisecond {
			t.Errorf("gave up after %v", took)
		}
	})
}

func TestBroadcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newLine(t, StreamOptions{}, slow(), nil)
		defer d.close(s)
		start := time.Now()
		reply, err := s.Send(modbus.AppendRTU(nil, modbus.ADU{PDU: modbus.WriteRegisterRequest(1, 2)}))
		if reply != nil || err != nil {
			t.Errorf("got % X, %v", reply, err)
		}
		if took := time.Since(start); took < defaultTurnaround {
			t.Errorf("the turnaround was %v, want %v", took, defaultTurnaround)
		}
		if len(d.requests()) != 1 {
			t.Errorf("%d frames were sent", len(d.requests()))
		}
	})
}

func TestInvalidRequests(t *testing.T) {
	s := NewStream(StreamOptions{Open: func(context.Context) (Port, error) { panic("opened") }})
	defer s.Close()
	tcp := NewTCP(TCPOptions{Address: "127.0.0.1:0"})
	defer tcp.Close()
	for _, adu := range [][]byte{nil, {1, 3}, {1, 3, 0, 0, 0, 1, 0, 0}, modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: modbus.PDU{FunctionCode: 3, Data: []byte{0}}})} {
		_, err := s.Send(adu)
		wantKind(t, err, Invalid, false)
		_, err = tcp.Send(adu)
		wantKind(t, err, Invalid, false)
	}
}

func TestStreamCancelAndClose(t *testing.T) {
	for name, stop := range map[string]func(s *Stream, cancel func()) Kind{
		"cancel": func(_ *Stream, cancel func()) Kind { cancel(); return Timeout },
		"close":  func(s *Stream, _ func()) Kind { _ = s.Close(); return Closed },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := newLine(t, StreamOptions{}, slow(), nil)
				defer d.close(s)
				ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
				defer cancel()
				done := make(chan error)
				for range 2 {
					go func() {
						_, err := s.SendContext(ctx, readOne(modbus.RTU, 1, 1))
						done <- err
					}()
				}
				synctest.Wait() // one waits for its reply, the other for its turn
				time.Sleep(10 * time.Millisecond)
				start := time.Now()
				kind := stop(s, cancel)
				var sent int
				for range 2 {
					var e *Error
					if err := <-done; !errors.As(err, &e) || e.Kind != kind {
						t.Errorf("got %v", err)
					} else if e.Sent {
						sent++
					}
				}
				if sent != 1 || time.Since(start) != 0 {
					t.Errorf("%d of 2 sent, ended after %v", sent, time.Since(start))
				}
			})
		})
	}
}

// A frame of which a part is written when Close is called is finished.
func TestCloseFinishesTheFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newLine(t, StreamOptions{}, slow(), nil)
		slowly := make([]byte, 0, 8)
		s.o.Open = slowReader(d, &slowly, 100)
		failed := make(chan error)
		go func() { failed <- ask(s, 1, 1) }()
		time.Sleep(50 * time.Millisecond)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wantKind(t, <-failed, Closed, true)
		d.done.Wait()
		if !bytes.Equal(slowly, readOne(modbus.RTU, 1, 1)) {
			t.Errorf("the line saw % X", slowly)
		}
		wantKind(t, ask(s, 1, 1), Closed, false)
		if err := s.Close(); err != nil {
			t.Error("second Close:", err)
		}
	})
}

// A port that takes a part of the frame and no more does not hold its caller.
func TestStuckPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newLine(t, StreamOptions{}, slow(), nil)
		var got []byte
		s.o.Open = slowReader(d, &got, 3)
		start := time.Now()
		wantKind(t, ask(s, 1, 1), Unavailable, true)
		if took := time.Since(start); took > writeAllowance+100*time.Millisecond {
			t.Errorf("held for %v", took)
		}
		d.close(s)
	})
}

// A write that fails before a byte left is tried once more on a line opened anew,
// one that fails later never.
func TestRow16WriteFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		takes  int // bytes, before the write fails
		broken int // openings whose writes fail
		opened int
		ok     bool
	}{
		{"line found dead", 0, 1, 2, true},
		{"line dead for good", 0, 9, 2, false},
		{"line lost within the frame", 3, 1, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, d := newLine(t, StreamOptions{}, slow(), func(d *fakeDevice, request []byte) { d.say(answer(request)) })
				defer d.close(s)
				open, opened := s.o.Open, 0
				s.o.Open = func(ctx context.Context) (Port, error) {
					port, err := open(ctx)
					if opened++; opened <= c.broken {
						port = &failingPort{*port.(*memoryPort), c.takes}
					}
					return port, err
				}
				err := ask(s, 1, 1)
				if c.ok && err != nil {
					t.Error(err)
				} else if !c.ok {
					wantKind(t, err, Unavailable, c.takes > 0)
				}
				if opened != c.opened {
					t.Errorf("opened %d times, want %d", opened, c.opened)
				}
			})
		})
	}
}
