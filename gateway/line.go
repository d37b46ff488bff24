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
	"modferry/gateway/quietlog"
	"modferry/modbus"
	"modferry/modbus/transport"
)

// line is one bus as MQTT sees it: its topics and rules in front of its queue. Its
// one way through is serve: message -> request -> journal -> rules -> bus -> reply -> message.
type line struct {
	bus      *bus.Bus
	observed *observed
	topics   message.Bus
	audit    func(message.Audit)
	decode   message.Options
	rules    policy.Rules
	limit    *limiter      // nil = none
	within   time.Duration // in which a request is sent, or never; 0 = any time
	journal  *journal.Journal
	own      *own                            // nil unless the gateway hears itself
	allows   func(client, topic string) bool // whether a reply may be asked for there, by MQTT 5
	publish  func(mqtt.Event)
	told     listener // of each answer before it is published; nil = nobody
	log      *slog.Logger
	quiet    *quietlog.Log // of what each request may cause
}

// newLine puts a line in front of a bus. It takes over what the line before it, nil
// if there was none, still expects.
func (g *Gateway) newLine(b *bus.Bus, c config.Bus, all *config.Config, before *line) *line {
	l := &line{
		bus: b, topics: busTopics(g.topics, c), audit: g.audit, decode: decodeOptions(c), rules: c.Allow,
		journal: g.journal, limit: newLimiter(all.Requests.Rate), within: all.Requests.ResumeWithin, publish: g.session.Publish, log: g.log.With("bus", c.Name), quiet: g.quiet,
	}
	l.allows = func(client, topic string) bool { return g.mayAnswer(l.topics, client, topic) }
	switch {
	case !isShared(l.topics) || all.MQTT.Version == config.MQTT5:
	case before != nil && before.own != nil && before.topics == l.topics:
		l.own = before.own
	default:
		l.own = &own{}
	}
	return l
}

// isShared reports whether requests and replies have the same topic.
func isShared(t message.Bus) bool { return t.Request("") == t.Response("") }

// decodeOptions is what a bus takes.
func decodeOptions(c config.Bus) message.Options {
	form, _ := message.FormByName(c.Form) // checked with the configuration
	return message.Options{
		Form: form, Framing: c.Framing, Broadcast: c.Broadcast,
		SerialLine: c.LineFraming() != modbus.TCP,
	}
}

var errElsewhere = errors.New("the request asks for its reply on a topic that is not allowed: use the response topic of the bus, a topic of your own under the gateway's prefix, or have it added to mqtt.reply_topics")

var errTooFast = errors.New("this client sends more requests per second than requests.rate allows; send fewer")

// serve handles one message of the request topic. It does not block.
func (l *line) serve(client string, m mqtt.Message) {
	switch {
	case l.own != nil && l.own.take(m.Payload):
		m.Ack()
		return
	case m.Retained && len(m.Payload) > 0: // an empty one clears the topic
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
	if !m.Expires.IsZero() && (request.Expires.IsZero() || m.Expires.Before(request.Expires)) {
		request.Expires = m.Expires
	}
	to, allowed := l.replyTo(client, m)
	t := &task{line: l, client: client, key: l.key(client, request, m.Payload), request: request, to: to, ack: m.Ack, age: m.Age}
	if t.isRepeated(m.Duplicate) {
		return
	}
	if result, refused := l.judge(client, request, allowed); refused {
		t.refused(result)
		return
	}
	if err := l.bus.Submit(t.busRequest()); err != nil {
		t.done(bus.Reply{Err: err})
	}
}

// address is where a reply goes.
type address struct {
	topic       string
	correlation []byte
}

func (a address) event(payload []byte) mqtt.Event {
	return mqtt.Event{Topic: a.topic, Payload: payload, Correlation: a.correlation}
}

// replyTo returns where the reply of a message goes: where MQTT 5 asks for it, if that
// is allowed, or else to the response topic of its client.
func (l *line) replyTo(client string, m mqtt.Message) (to address, allowed bool) {
	to = address{l.topics.Response(client), m.Correlation}
	if m.Response == "" || m.Response == to.topic {
		return to, true
	}
	if !l.allows(client, m.Response) {
		return to, false
	}
	to.topic = m.Response
	return to, true
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
func (l *line) judge(client string, r *message.Request, allowed bool) (message.Result, bool) {
	if !allowed {
		return gatewaySays(r, modbus.IllegalFunction, message.Denied, errElsewhere), true
	}
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
		l.log.Debug("request refused by the rules", "client", client, "unit", r.Unit, "function", r.PDU.FunctionCode, "error", err)
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
	if l.told != nil {
		l.told.refused(why)
	}
	defer m.Ack()
	if reply := why.Reply(); reply != nil {
		to, _ := l.replyTo(client, m)
		l.publish(to.event(reply))
		return
	}
	to := address{l.topics.Error(client), m.Correlation}
	l.publish(to.event(why.Report(m.Payload, m.Topic, time.Now())))
}
