package bus

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"modferry/modbus"
	"modferry/modbus/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// device is a line whose transactions take a fixed time.
type device struct {
	mu      sync.Mutex
	took    time.Duration
	answer  func(modbus.ADU) (modbus.PDU, error)
	seen    []modbus.ADU
	current int
	most    int
}

func (d *device) Framing() modbus.Framing { return modbus.RTU }

func (d *device) SendContext(ctx context.Context, adu []byte) ([]byte, error) {
	a, err := modbus.ParseRTU(adu)
	if err != nil {
		return nil, err
	}
	d.enter(a)
	defer d.leave()
	select {
	case <-time.After(d.took):
	case <-ctx.Done():
		return nil, &transport.Error{Kind: transport.Timeout, Sent: true, Err: ctx.Err()}
	}
	reply, err := d.answer(a)
	if err != nil {
		return nil, err
	}
	return modbus.AppendRTU(nil, modbus.ADU{Unit: a.Unit, PDU: reply}), nil
}

func (d *device) enter(a modbus.ADU) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, a)
	d.current++
	d.most = max(d.most, d.current)
}

func (d *device) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current--
}

// registers answers reads of one register with its address, and writes with their echo.
func registers(a modbus.ADU) (modbus.PDU, error) {
	if a.PDU.FunctionCode == modbus.WriteSingleRegister {
		return a.PDU, nil
	}
	return modbus.PDU{FunctionCode: a.PDU.FunctionCode, Data: append([]byte{2}, a.PDU.Data[:2]...)}, nil
}

func run(t *testing.T, o Options) *Bus {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 300 * time.Millisecond
	}
	if o.Queue == 0 {
		o.Queue = 64
	}
	b := New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

func read(address uint16) modbus.PDU {
	return modbus.ReadRequest(modbus.ReadInputRegisters, address, 1)
}

func TestEveryRequestIsAnsweredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Line: &device{took: time.Millisecond, answer: registers}, Timeout: time.Second, Queue: 1000})
		var mu sync.Mutex
		answers := map[uint16]int{}
		for i := range uint16(500) {
			if err := b.Submit(&Request{Unit: 1, PDU: read(i), Done: func(r Reply) {
				mu.Lock()
				defer mu.Unlock()
				if r.Err == nil && modbus.Registers(r.PDU.Data[1:])[0] != i {
					t.Errorf("request %d got the reply % X", i, r.PDU.Data)
				}
				answers[i]++
			}}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // ends in the middle
		defer cancel()
		b.Run(ctx)
		for i := range uint16(500) {
			if answers[i] != 1 {
				t.Fatalf("request %d was answered %d times", i, answers[i])
			}
		}
		if s := b.Status(); s.Replies < 290 || s.Replies > 310 || s.Queue != 0 {
			t.Errorf("status after 300 ms of 1 ms transactions: %+v", s)
		}
		if err := b.Submit(&Request{Unit: 1, PDU: read(1), Done: func(Reply) {}}); !errors.Is(err, ErrClosed) {
			t.Errorf("submitting after the end: %v", err)
		}
	})
}

func TestOneTransactionAtATimeUnlessInFlight(t *testing.T) {
	for _, inFlight := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			d := &device{took: 5 * time.Millisecond, answer: registers}
			b := run(t, Options{Line: d, InFlight: inFlight, Queue: 200})
			var all sync.WaitGroup
			start := time.Now()
			for i := range uint16(100) {
				all.Add(1)
				if err := b.Submit(&Request{Unit: 1, PDU: read(i), Done: func(Reply) { all.Done() }}); err != nil {
					t.Fatal(err)
				}
			}
			all.Wait()
			if d.most != inFlight {
				t.Errorf("%d transactions at a time, want %d", d.most, inFlight)
			}
			if got, want := time.Since(start), time.Duration(100/inFlight)*d.took; got != want {
				t.Errorf("100 transactions took %v, want %v", got, want)
			}
		})
	}
}

func TestOrderOfTheQueue(t *testing.T) {
	q := newQueue(100)
	push := func(poll bool, pdu modbus.PDU) {
		t.Helper()
		if _, err := q.push(&Request{Poll: poll, PDU: pdu}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint16(20) {
		push(true, read(1000+i))
		push(false, read(i))
	}
	push(false, modbus.WriteRegisterRequest(1, 1))
	var order []byte
	for range 41 {
		r := q.pop(t.Context())
		switch {
		case r.Poll:
			order = append(order, 'p')
		case modbus.IsWrite(r.PDU.FunctionCode):
			order = append(order, 'w')
		default:
			order = append(order, 'r')
		}
	}
	// The write goes first; while people keep the line busy every fourth is a poll.
	if want := "wrrprrrprrrprrrprrrprrrprrrppppppppppppppp"; string(order) != want[:41] {
		t.Errorf("order %s,\n want %s", order, want[:41])
	}
}

func TestFullQueueRefusesAndCounts(t *testing.T) {
	b := New(Options{Line: &device{answer: registers}, Queue: 3})
	for i := range uint16(5) {
		err := b.Submit(&Request{Unit: 1, PDU: read(i), Done: func(Reply) {}})
		if (i < 3) != (err == nil) || i >= 3 && !errors.Is(err, ErrFull) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if err := b.Submit(&Request{Unit: 1, PDU: read(9), Poll: true, Done: func(Reply) {}}); err != nil {
		t.Errorf("people fill the queue and a poll finds no place: %v", err)
	}
	if s := b.Status(); s.Refused != 2 || s.Queue != 4 {
		t.Errorf("status %+v", s)
	}
}

func TestExpiredIsNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{took: 100 * time.Millisecond, answer: registers}
		b := run(t, Options{Line: d})
		done := make(chan Reply, 2)
		for i := range uint16(2) {
			r := &Request{Unit: 1, PDU: read(i), Expires: time.Now().Add(50 * time.Millisecond), Done: func(r Reply) { done <- r }}
			if err := b.Submit(r); err != nil {
				t.Fatal(err)
			}
		}
		if r := <-done; r.Err != nil {
			t.Errorf("first: %v", r.Err)
		}
		if r := <-done; !errors.Is(r.Err, ErrExpired) || r.Sent {
			t.Errorf("second: %+v, want expired and not sent", r)
		}
		if len(d.seen) != 1 {
			t.Errorf("%d frames reached the line", len(d.seen))
		}
	})
}

func TestFailuresAndWhatTheyMean(t *testing.T) {
	refused := &transport.Error{Kind: transport.Unavailable, Err: errors.New("connection refused")}
	short := func(modbus.ADU) (modbus.PDU, error) {
		return modbus.PDU{FunctionCode: 4, Data: []byte{4, 0, 0, 0, 0}}, nil
	}
	for _, c := range []struct {
		name   string
		device *device
		kind   transport.Kind
		sent   bool
		state  State
	}{
		{"no path", &device{answer: func(modbus.ADU) (modbus.PDU, error) { return modbus.PDU{}, refused }}, transport.Unavailable, false, Unavailable},
		{"silence", &device{took: time.Hour, answer: registers}, transport.Timeout, true, Open},
		{"a reply of the wrong shape", &device{answer: short}, transport.Timeout, true, Open},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				notified := 0
				b := run(t, Options{Line: c.device, Notify: func() { notified++ }})
				done := make(chan Reply, 1)
				if err := b.Submit(&Request{Unit: 1, PDU: read(1), Done: func(r Reply) { done <- r }}); err != nil {
					t.Fatal(err)
				}
				r := <-done
				var failed *transport.Error
				if !errors.As(r.Err, &failed) || failed.Kind != c.kind || r.Sent != c.sent {
					t.Errorf("reply %+v, want kind %v, sent %v", r, c.kind, c.sent)
				}
				if s := b.Status(); s.State != c.state || notified != 1 {
					t.Errorf("status %+v, notified %d times", s, notified)
				}
			})
		})
	}
}

func TestClientSpeaksGoburrow(t *testing.T) {
	exception := func(a modbus.ADU) (modbus.PDU, error) {
		if a.Unit == 2 {
			return modbus.ExceptionPDU(a.PDU.FunctionCode, modbus.IllegalDataAddress), nil
		}
		return registers(a)
	}
	b := run(t, Options{Line: &device{answer: exception}})
	got, err := b.Client(t.Context(), 1, 0).ReadInputRegisters(0x0131, 1)
	if err != nil || modbus.Registers(got)[0] != 0x0131 {
		t.Errorf("read % X, %v", got, err)
	}
	_, err = b.Client(t.Context(), 2, 0).ReadInputRegisters(0x0131, 1)
	var e *modbus.Exception
	if !errors.As(err, &e) || e.ExceptionCode != modbus.IllegalDataAddress {
		t.Errorf("error %v, want exception 2", err)
	}
}
