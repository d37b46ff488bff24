package gateway

import (
	"context"
	"errors"
	"time"

	"modferry/gateway/bus"
	"modferry/gateway/journal"
	"modferry/gateway/message"
	"modferry/modbus"
)

// commitTimeout is how long a write waits for the disk to have its intent.
const commitTimeout = 2 * time.Second

var errInterrupted = errors.New("the gateway stopped while this write was on its way: it may have reached the device; read before you write again")

// task is one request from when it is known to be one to its reply.
type task struct {
	line    *line
	client  string
	key     journal.Key
	request *message.Request
	to      address
	ack     func() // tells the broker that it need not deliver the request again
	age     func() time.Duration
}

// isRepeated reports whether the request was made before and is answered from the
// journal: a message that the broker delivers again (duplicate), or JSON with the
// same id. Any other message is a new request, also with the same bytes.
func (t *task) isRepeated(duplicate bool) bool {
	if !duplicate && t.request.ID == nil {
		return t.full(t.line.journal.BeginNew(t.key, t.request.IsWrite()))
	}
	entry, err := t.line.journal.Begin(t.key, t.request.IsWrite())
	switch {
	case err != nil:
		return t.full(err)
	case entry.State == journal.New:
		return false
	case entry.State == journal.Answered && len(entry.Reply) > 0:
		t.line.publish(t.to.event(entry.Reply))
		t.ack()
	case entry.State == journal.Unknown:
		result := gatewaySays(t.request, modbus.GatewayTargetNoResponse, message.Timeout, errInterrupted)
		result.Outcome = message.Unknown
		t.answer(result, true)
	default: // being executed: its reply answers this one, too
		t.ack()
	}
	return true
}

// full answers a request that the journal has no place for.
func (t *task) full(err error) bool {
	if err != nil {
		t.publish(gatewaySays(t.request, modbus.ServerDeviceBusy, message.Busy, bus.ErrFull))
	}
	return err != nil
}

func (t *task) busRequest() *bus.Request {
	r := &bus.Request{
		Client: t.client, Unit: t.request.Unit, PDU: t.request.PDU, Timeout: t.request.Timeout, Expires: t.request.Expires,
		Late: t.isLate, Done: t.done,
	}
	if t.request.IsWrite() {
		r.Leaving = t.leaving
	}
	return r
}

// isLate reports whether the request waited for longer than requests.resume_within
// allows: in the queue, or because the process stood still or the machine slept.
func (t *task) isLate() bool { return t.line.within > 0 && t.age() > t.line.within }

// leaving puts the intent to write on disk before the frame goes out. A disk that
// does not take it does not stop the plant: the journal in memory still protects
// from repetition while this process lives.
func (t *task) leaving() {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	if err := t.line.journal.Commit(ctx, t.key); err != nil {
		t.line.quiet.Warn("a write goes out that a restart would not remember", "bus", t.line.bus.Name(), "client", t.client, "unit", t.request.Unit, "error", err)
	}
}

// done takes what became of the transaction.
func (t *task) done(r bus.Reply) {
	t.answer(result(t.request, r), r.Err == nil || r.Sent)
}

// refused answers a request that is not sent.
func (t *task) refused(r message.Result) {
	t.line.bus.CountDenied()
	t.answer(r, false)
}

// answer ends the task: in the journal, then in the audit, then for its requester.
// What did not leave may be tried again.
func (t *task) answer(r message.Result, left bool) {
	if left {
		t.line.journal.Finish(t.key, t.request.Reply(r))
	} else {
		t.line.journal.Forget(t.key)
	}
	t.publish(r)
}

func (t *task) publish(r message.Result) {
	if t.request.IsWrite() {
		t.line.audit(message.NewAudit(t.line.bus.Name(), t.client, t.request, r, time.Now()))
	}
	if t.line.told != nil {
		t.line.told.answered(t.request, r)
	}
	if payload := t.request.Reply(r); payload != nil {
		t.line.publish(t.to.event(payload))
	}
	t.ack()
}
