package bus

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"modferry/modbus"
	"modferry/modbus/transport"
)

// answers is a line that answers every request with the same.
type answers struct {
	reply []byte
	err   error
	took  time.Duration
}

func (answers) Framing() modbus.Framing { return modbus.RTU }

func (a answers) SendContext(context.Context, []byte) ([]byte, error) {
	time.Sleep(a.took)
	return a.reply, a.err
}

func rtu(unit byte, pdu modbus.PDU) []byte {
	return modbus.AppendRTU(nil, modbus.ADU{Unit: unit, PDU: pdu})
}

func TestEachTransactionIsObserved(t *testing.T) {
	good := rtu(1, modbus.PDU{FunctionCode: read(5).FunctionCode, Data: []byte{2, 0, 5}})
	for name, c := range map[string]struct {
		line      answers
		outcome   Outcome
		exception byte
	}{
		"good":         {answers{reply: good}, Good, 0},
		"exception":    {answers{reply: rtu(1, modbus.ExceptionPDU(read(5).FunctionCode, 2))}, Exception, 2},
		"no reply":     {answers{err: &transport.Error{Kind: transport.Timeout, Sent: true}}, Timeout, 0},
		"cut off":      {answers{err: &transport.Error{Kind: transport.Timeout, Sent: true, Cut: true}}, Broken, 0},
		"of another":   {answers{reply: rtu(2, modbus.PDU{FunctionCode: read(5).FunctionCode, Data: []byte{2, 0, 5}})}, Broken, 0},
		"line is busy": {answers{err: &transport.Error{Kind: transport.Timeout}}, Unsent, 0},
		"refused":      {answers{err: &transport.Error{Kind: transport.Unavailable}}, NoPath, 0},
		"driver":       {answers{err: errors.New("no such device")}, NoPath, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seen := make(chan Transaction, 1)
				c.line.took = 20 * time.Millisecond
				b := New(Options{Line: c.line, Timeout: time.Second, Queue: 1, Observe: func(x Transaction) { seen <- x }})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go b.Run(ctx)
				start := time.Now()
				r := &Request{Client: "panel", Unit: 1, PDU: read(5), Done: func(Reply) {}}
				if err := b.Submit(r); err != nil {
					t.Fatal(err)
				}
				x := <-seen
				if x.Outcome != c.outcome || x.Exception != c.exception {
					t.Errorf("%v with exception %d, want %v with %d", x.Outcome, x.Exception, c.outcome, c.exception)
				}
				if x.Client != "panel" || x.Poll || x.Unit != 1 || x.Framing != modbus.RTU || !x.Start.Equal(start) || x.Elapsed != c.line.took {
					t.Errorf("%+v", x)
				}
				if !bytes.Equal(x.Request, rtu(1, read(5))) || !bytes.Equal(x.Reply, c.line.reply) {
					t.Errorf("frames % X and % X", x.Request, x.Reply)
				}
			})
		})
	}
}

func TestWhatIsNotSentIsNotObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Line: answers{}, Timeout: time.Second, Queue: 1, Observe: func(x Transaction) { t.Errorf("observed %+v", x) }})
		done := make(chan Reply, 1)
		r := &Request{Unit: 1, PDU: read(5), Expires: time.Now().Add(-time.Second), Done: func(r Reply) { done <- r }}
		if err := b.Submit(r); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go b.Run(ctx)
		if reply := <-done; !errors.Is(reply.Err, ErrExpired) {
			t.Errorf("error %v", reply.Err)
		}
	})
}

func TestASequenceAndPollsAreObservedOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var polls, requests int
		b := New(Options{Line: answers{reply: rtu(1, modbus.PDU{FunctionCode: read(5).FunctionCode, Data: []byte{2, 0, 5}})}, Timeout: time.Second, Queue: 1, Observe: func(x Transaction) {
			if x.Poll {
				polls++
			} else {
				requests++
			}
		}})
		done := make(chan Reply, 2)
		more := 2
		next := func(Reply) (modbus.PDU, bool) { more--; return read(5), more > 0 }
		for _, r := range []*Request{{Unit: 1, PDU: read(5), Next: next}, {Unit: 1, PDU: read(5), Poll: true}} {
			r.Done = func(r Reply) { done <- r }
			if err := b.Submit(r); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { b.Run(ctx); close(ended) }()
		<-done
		<-done
		cancel()
		<-ended
		if polls != 1 || requests != 2 {
			t.Errorf("%d polls and %d requests, want 1 and 2", polls, requests)
		}
	})
}
