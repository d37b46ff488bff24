package bus

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"modferry/modbus"
)

// hanging is a line whose driver does not come back before it is let go.
type hanging struct{ free chan struct{} }

func (h *hanging) SendContext(context.Context, []byte) ([]byte, error) {
	<-h.free
	return nil, nil
}

func (h *hanging) Framing() modbus.Framing { return modbus.RTU }

func TestHangingDriverIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &hanging{free: make(chan struct{})}
		b := New(Options{Name: "line", Line: line, Timeout: time.Second, Queue: 4})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); b.Run(ctx) }()

		if err := b.Submit(&Request{Unit: 1, PDU: modbus.ReadRequest(3, 0, 1), Done: func(Reply) {}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := b.Alive(); err != nil {
			t.Errorf("after one minute, which a slow device may take: %v", err)
		}
		time.Sleep(time.Minute)
		if b.Alive() == nil {
			t.Error("a transaction that hangs for two minutes is not noticed")
		}
		close(line.free)
		synctest.Wait()
		if err := b.Alive(); err != nil {
			t.Errorf("after the driver came back: %v", err)
		}
		cancel()
		<-done
	})
}
