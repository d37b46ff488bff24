package gateway

import (
	"errors"
	"log/slog"
	"slices"
	"time"

	"modferry/gateway/bus"
	"modferry/gateway/config"
	"modferry/gateway/journal"
	"modferry/gateway/message"
	"modferry/gateway/mqtt"
	"modferry/gateway/policy"
	"modferry/modbus"
	"modferry/modbus/transport"
)

// line is one bus as MQTT sees it: its topics and rules in front of its queue. Its
// one way through is serve: message -> request -> journal -> rules -> bus -> reply -> message.
type line struct {
	bus     *bus.Bus
	topics  message.Bus
	audit   func(message.Audit)
	decode  message.Options
	rules   policy.Rules
	limit   *limiter // nil = none
	journal *journal.Journal
	own     *own // nil unless request and response topic are the same
	publish func(topic string, payload []byte)
	log     *slog.Logger
}

// decodeOptions is what a bus takes.
func decodeOptions(c config.Bus) message.Options {
	form, _ := message.FormByName(c.Form) // checked with the configuration
	return message.Options{
		Form: form, Framing: c.Framing, Broadcast: c.Broadcast,
		SerialLine: c.LineFraming() != modbus.TCP,
	}
}

var errTooFast = errors.New("this client sends more requests per second than requests.rate allows; send fewer")

// serve handles one message of the request topic. It does not block.
func (l *line) serve(client string, m mqtt.Message) {
	switch {
	case l.own != nil && l.own.take(m.Payload):
		return
	case m.Retained:
		l.refuse(client, m, &message.Error{Code: message.Retained})
		return
	}
	request, err := message.Decode(m.Payload, l.decode)
	var bad *message.Error
	if errors.As(err, &bad) {
		l.refuse(client, m, bad)
		return
	}
	l.log.Debug("request", "client", client, "unit", request.Unit, "function", request.PDU.FunctionCode)
	t := &task{line: l, client: client, key: l.key(client, request, m.Payload), request: request}
	if t.isRepeated(m.Duplicate) {
		return
	}
	if result, refused := l.judge(client, request); refused {
		t.refused(result)
		return
	}
	if err := l.bus.Submit(t.busRequest()); err != nil {
		t.done(bus.Reply{Err: err})
	}
}

// key names a request in the journal: JSON by its id and what it asks for, however
// that is written; anything else by its bytes.
func (l *line) key(client string, r *message.Request, payload []byte) journal.Key {
	if r.ID != nil {
		payload = modbus.AppendBare(slices.Clone([]byte(r.ID)), r.ADU)
	}
	return journal.NewKey([]byte(l.bus.Name()), []byte(client), payload)
}

// judge refuses what the specification or the rules do not allow.
func (l *line) judge(client string, r *message.Request) (message.Result, bool) {
	if err := modbus.CheckRequest(r.PDU); err != nil {
		exception := modbus.IllegalDataValue
		var wrong *modbus.RequestError
		if errors.As(err, &wrong) {
			exception = wrong.Exception
		}
		return gatewaySays(r, exception, message.Invalid, err), true
	}
	if !l.limit.allow(client) {
		return gatewaySays(r, modbus.ServerDeviceBusy, message.Busy, errTooFast), true
	}
	if err := l.rules.Check(client, r.Unit, r.PDU); err != nil {
		exception := modbus.IllegalFunction
		var refusal *policy.Refusal
		if errors.As(err, &refusal) {
			exception = refusal.Exception
		}
		l.log.Info("request refused by the rules", "client", client, "unit", r.Unit, "function", r.PDU.FunctionCode, "error", err)
		return gatewaySays(r, exception, message.Denied, err), true
	}
	return message.Result{}, false
}

// result turns what became of a transaction into what is told about it.
func result(r *message.Request, reply bus.Reply) message.Result {
	var failed *transport.Error
	switch {
	case reply.Err == nil:
		return deviceSays(reply)
	case errors.Is(reply.Err, bus.ErrFull):
		return gatewaySays(r, modbus.ServerDeviceBusy, message.Busy, reply.Err)
	case errors.Is(reply.Err, bus.ErrExpired):
		return gatewaySays(r, modbus.ServerDeviceBusy, message.Expired, reply.Err)
	}
	said := gatewaySays(r, modbus.GatewayPathUnavailable, message.Unavailable, reply.Err)
	if errors.As(reply.Err, &failed) && failed.Kind == transport.Timeout {
		said = gatewaySays(r, modbus.GatewayTargetNoResponse, message.Timeout, reply.Err)
	}
	said.Elapsed = reply.Elapsed
	switch {
	case r.IsWrite() && reply.Sent:
		said.Outcome = message.Unknown
	case r.IsWrite():
		said.Outcome = message.Refused
	}
	return said
}

func deviceSays(reply bus.Reply) message.Result {
	said := message.Result{Reply: reply.PDU, Elapsed: reply.Elapsed}
	if modbus.AsException(reply.PDU) != nil {
		said.Code = message.Exception
	}
	return said
}

// gatewaySays is an answer that no device gave.
func gatewaySays(r *message.Request, exception byte, code message.Code, why error) message.Result {
	return message.Result{Reply: modbus.ExceptionPDU(r.PDU.FunctionCode, exception), Code: code, Message: why.Error()}
}

// refuse tells of a message that is no request: to its sender if it can be
// answered, else on the error topic.
func (l *line) refuse(client string, m mqtt.Message, why *message.Error) {
	if why.IsWrite() {
		l.audit(message.NewRefusal(l.bus.Name(), client, why, time.Now()))
	}
	l.log.Debug("message refused", "client", client, "topic", m.Topic, "error", why)
	if reply := why.Reply(); reply != nil {
		l.publish(l.topics.Response(client), reply)
		return
	}
	l.publish(l.topics.Error(client), why.Report(m.Payload, m.Topic, time.Now()))
}
