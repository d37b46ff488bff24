package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"modferry/gateway/message"
	"modferry/gateway/mqtt"
	"modferry/modbus"
	"modferry/modbus/hextext"
)

// form is how a request is written.
type form int

const (
	asJSON form = iota
	asHex
	asBytes
	forms
)

// waiter is one request on its way.
type waiter struct {
	ctx     context.Context
	request *message.Request
	id      string // "" = it has none
	payload []byte
	done    chan answer

	// Guarded by Bus.mu:
	left      bool // it was published
	withdrawn bool // it is not to be any more
	echo      bool // it comes back to us, as requests and replies have one topic
}

// fits reports whether a payload without an id can be the reply.
func (w *waiter) fits(payload []byte) bool {
	frame := payload
	if w.request.Framing != modbus.ASCII {
		if digits, _, err := hextext.Parse(bytes.TrimSpace(payload)); err == nil {
			frame = digits
		}
	}
	adu, err := w.request.Framing.Parse(frame)
	return err == nil && adu.Unit == w.request.Unit && modbus.CheckReply(w.request.PDU, adu.PDU) == nil
}

type answer struct {
	reply []byte
	err   error
}

// answer takes the first answer; a repeated one is of no interest.
func (w *waiter) answer(reply []byte, err error) {
	select {
	case w.done <- answer{reply, err}:
	default:
	}
}

// Ask sends a request to a unit and returns what the device says, an exception too.
// Without a function code, there was nothing to say: it was a broadcast. The context
// must have a deadline. Errors: [*Refused] (the gateway says no, with an exception for
// most reasons), [*Unreachable] (nothing was sent) and [*Silent] (it is not known what
// became of the request).
func (b *Bus) Ask(ctx context.Context, unit byte, q modbus.PDU) (modbus.PDU, error) {
	text := strings.ToUpper(hex.EncodeToString(modbus.AppendRTU(nil, modbus.ADU{Unit: unit, PDU: q})))
	reply, err := b.exchange(ctx, text, forms)
	if err != nil {
		return modbus.PDU{}, err
	}
	if reply == nil {
		if unit != modbus.Broadcast {
			return modbus.PDU{}, &Silent{Reason: fmt.Sprintf("there is no frame in the reply of unit %d", unit)}
		}
		return modbus.PDU{}, nil
	}
	frame := reply
	if digits, err := hex.DecodeString(strings.TrimSpace(string(reply))); err == nil {
		frame = digits
	}
	adu, err := modbus.ParseRTU(frame)
	if err == nil && adu.Unit != unit {
		err = fmt.Errorf("it is of unit %d, and unit %d was asked", adu.Unit, unit)
	}
	if err == nil {
		err = modbus.CheckReply(q, adu.PDU)
	}
	if err != nil {
		return modbus.PDU{}, &Silent{Reason: fmt.Sprintf("what came is no reply to the request: %v", err)}
	}
	return adu.PDU, nil
}

// Exchange sends a frame as somebody wrote it, and returns the reply written likewise,
// nil if there is none because it was a broadcast. Otherwise it is as Ask.
func (b *Bus) Exchange(ctx context.Context, frame string) ([]byte, error) {
	return b.exchange(ctx, frame, asBytes)
}

// exchange tries the forms up to one, from the first on that is not known to be refused.
func (b *Bus) exchange(ctx context.Context, text string, end form) (reply []byte, err error) {
	request, fault := message.Decode([]byte(text), message.Options{})
	if fault != nil {
		return nil, fault
	}
	for {
		b.mu.Lock()
		form, known := b.form, b.known
		b.mu.Unlock()
		if known && form == asJSON {
			return b.do(ctx, text, request, form)
		}
		select {
		case <-b.turn:
		case <-ctx.Done():
			return nil, b.missed(&waiter{})
		}
		reply, again, err := b.try(ctx, text, request, end)
		b.turn <- struct{}{}
		if !again {
			return reply, err
		}
	}
}

// try makes an exchange in the present form, alone, and reports whether there is another
// form to try.
func (b *Bus) try(ctx context.Context, text string, request *message.Request, end form) (reply []byte, again bool, err error) {
	b.mu.Lock()
	form := b.form
	b.mu.Unlock()
	if form != asJSON {
		if err := b.settle(ctx); err != nil {
			return nil, false, err
		}
	}
	reply, err = b.do(ctx, text, request, form)
	var refused *Refused
	isForm := errors.As(err, &refused) && refused.Code == message.NotAFrame
	if isForm && form+1 < end {
		b.mu.Lock()
		b.form = form + 1
		b.mu.Unlock()
		return nil, true, nil
	}
	if err == nil || errors.As(err, &refused) && !isForm {
		b.mu.Lock()
		b.known = true
		b.mu.Unlock()
	}
	return reply, false, err
}

// do makes one exchange.
func (b *Bus) do(ctx context.Context, text string, request *message.Request, form form) ([]byte, error) {
	w := &waiter{ctx: ctx, request: request, done: make(chan answer, 1)}
	switch form {
	case asJSON:
		w.id = rand.Text()
		payload, err := json.Marshal(struct {
			ID      string `json:"id"`
			Frame   string `json:"frame"`
			Timeout int64  `json:"timeout_ms,omitempty"`
		}{w.id, text, b.o.Device.Milliseconds()})
		if err != nil {
			return nil, err
		}
		w.payload = payload
	case asBytes:
		payload, err := hex.DecodeString(text)
		if err != nil {
			return nil, err
		}
		w.payload = payload
	default:
		w.payload = []byte(text)
	}
	if err := b.begin(w); err != nil {
		return nil, err
	}
	defer b.end(w)
	var impatient <-chan time.Time
	if b.o.Patience > 0 {
		clock := time.NewTimer(b.o.Patience)
		defer clock.Stop()
		impatient = clock.C
	}
	for {
		select {
		case a := <-w.done:
			return a.reply, a.err
		case <-impatient:
			if impatient = nil; b.withdraw(w) {
				return nil, b.missed(w)
			}
		case <-ctx.Done():
			return nil, b.missed(w)
		}
	}
}

// withdraw has a request that did not leave stay here, and reports whether it did not.
func (b *Bus) withdraw(w *waiter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	w.withdrawn = !w.left
	return w.withdrawn
}

// begin has a request published, unless nobody is there.
func (b *Bus) begin(w *waiter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.gateway == message.Offline:
		return &Unreachable{Reason: "gateway " + b.o.Prefix + " is offline"}
	case len(b.waiting) >= limit:
		return &Unreachable{Reason: fmt.Sprintf("%d requests are under way", limit)}
	}
	if w.id != "" {
		b.waiting[w.id] = w
	}
	if w.id == "" || !b.known {
		b.plain = w
	}
	w.echo = b.topics.Request(b.o.Client) == b.topics.Response(b.o.Client)
	b.publish(w)
	return nil
}

func (b *Bus) end(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiting, w.id)
	if b.plain == w {
		b.plain = nil
	}
	if w.id == "" && w.left && len(w.done) == 0 && w.ctx.Err() != nil && b.failed == nil {
		b.owing = w
	}
}

// late is how long the reply to a request may come after it was given up: the gateway
// answers each, but discards what waited for longer than it may be away.
const late = 40 * time.Second

// settle waits until no reply is due any more that could be taken for that to the next
// request: without an id, replies are told apart by their order.
func (b *Bus) settle(ctx context.Context) error {
	b.mu.Lock()
	owing := b.owing
	b.mu.Unlock()
	if owing == nil {
		return nil
	}
	deadline, _ := owing.ctx.Deadline()
	patience := time.NewTimer(time.Until(deadline.Add(late)))
	defer patience.Stop()
	select {
	case <-owing.done:
		return nil
	case <-patience.C:
		b.mu.Lock()
		defer b.mu.Unlock()
		b.owing = nil
		return nil
	case <-ctx.Done():
		return &Unreachable{Reason: "the reply to an earlier request is still due, and on a bus that takes no JSON replies are told apart by their order: nothing was sent"}
	}
}

// publish queues a request, once more after a connection was lost. What is too late by
// the time that it would leave stays; one without an id leaves once, as the gateway
// could not tell that it is the same.
func (b *Bus) publish(w *waiter) {
	topic := b.topics.Request(b.o.Client)
	b.session.Publish(mqtt.Event{Flow: "requests", Compose: func() (string, []byte) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if w.withdrawn || w.ctx.Err() != nil || len(w.done) > 0 || w.left && w.id == "" {
			return "", nil
		}
		w.left = true
		return topic, w.payload
	}})
}

// missed says why there is no reply in time.
func (b *Bus) missed(w *waiter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !w.left && b.failed != nil:
		return &Unreachable{Reason: b.noBroker().Error()}
	case !w.left:
		return &Unreachable{Reason: "the broker did not take the request in time"}
	case b.gateway == "":
		return &Silent{Reason: fmt.Sprintf("no gateway %s announces itself at this broker; check --gateway and --broker", b.o.Prefix)}
	case !b.there:
		return &Silent{Reason: fmt.Sprintf("gateway %s is online and has no bus %q; check --bus", b.o.Prefix, b.o.Bus)}
	}
	return &Silent{Reason: fmt.Sprintf("gateway %s is online; a bus with fixed topics needs --request and --response, and the broker's rules must allow the client name %q (--client)", b.o.Prefix, b.o.Client)}
}
