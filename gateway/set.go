package gateway

import (
	"errors"
	"slices"
	"time"

	"modferry/gateway/bus"
	"modferry/gateway/config"
	"modferry/gateway/journal"
	"modferry/gateway/message"
	"modferry/gateway/mqtt"
	"modferry/modbus"
	"modferry/modbus/profile"
)

// setters are the devices that values can be set at, by name.
type setters map[string]*setter

// setter carries values to the readings of one device. Its one way through is serve:
// message -> set -> value within the reading's own rule -> journal -> bus -> result ->
// message. The rules of the bus are not asked: what can be set is the reading's rule.
type setter struct {
	line   *line
	device config.Device
	lacks  *lacking
	soon   func(reading string) // has a reading read and published
}

// wantsSets reports whether a reading of the configuration can be set.
func wantsSets(c *config.Config) bool {
	return slices.ContainsFunc(c.Devices, func(d config.Device) bool {
		return slices.ContainsFunc(d.Readings, func(r profile.Reading) bool { return r.Set != nil })
	})
}

// set takes a message of a set topic to its device. It does not block.
func (g *Gateway) set(device, name string, m mqtt.Message) {
	s := (*g.plant.setters.Load())[device]
	to, allowed := g.resultTo(device, name, m)
	set, reading, fault := s.admit(device, name, m)
	if fault != nil {
		g.refuseSet(s, device+"/"+name, m, to, fault)
		return
	}
	if !m.Expires.IsZero() && (set.Expires.IsZero() || m.Expires.Before(set.Expires)) {
		set.Expires = m.Expires
	}
	s.serve(set, reading, m, to, allowed)
}

// resultTo returns where the result of a set goes: where MQTT 5 asks for it, if that is
// allowed, or else to the result topic of the reading.
func (g *Gateway) resultTo(device, reading string, m mqtt.Message) (to address, allowed bool) {
	to = address{g.topics.Device(device).SetResult(reading), m.Correlation}
	if m.Response == "" || m.Response == to.topic {
		return to, true
	}
	if !g.mayAnswer(message.Bus{}, "", m.Response) {
		return to, false
	}
	to.topic = m.Response
	return to, true
}

// admit returns the set in a message and its reading, or why there is none.
func (s *setter) admit(device, name string, m mqtt.Message) (*message.Set, *profile.Reading, *message.Error) {
	if m.Retained && len(m.Payload) > 0 { // an empty one clears the topic
		return nil, nil, message.RetainedSet(m.Payload)
	}
	set, err := message.DecodeSet(m.Payload)
	var bad *message.Error
	switch {
	case errors.As(err, &bad):
		return nil, nil, bad
	case s == nil:
		return nil, nil, set.Refused(message.Invalid, "there is no device %q: check the topic", device)
	}
	i := slices.IndexFunc(s.device.Readings, func(r profile.Reading) bool { return r.Name == name })
	switch {
	case i < 0:
		return nil, nil, set.Refused(message.Invalid, "device %q has no reading %q: check the topic", device, name)
	case s.device.Readings[i].Set == nil:
		return nil, nil, set.Refused(message.Denied, "reading %q of device %q cannot be set: its configuration has no set", name, device)
	}
	return set, &s.device.Readings[i], nil
}

// refuseSet tells of a set that reaches no bus.
func (g *Gateway) refuseSet(s *setter, client string, m mqtt.Message, to address, why *message.Error) {
	of := ""
	if s != nil {
		of = s.device.Bus
		s.line.bus.CountDenied()
	}
	g.log.Debug("set refused", "topic", m.Topic, "error", why)
	g.audit(message.NewRefusal(of, client, why, time.Now()))
	g.session.Publish(to.event(why.SetResult()))
	m.Ack()
}

// serve carries out a set.
func (s *setter) serve(set *message.Set, reading *profile.Reading, m mqtt.Message, to address, allowed bool) {
	client := s.device.Name + "/" + reading.Name
	w, bad := s.writing(set, reading)
	t := &task{line: s.line, client: client, key: setKey(client, set), request: w.request, to: to, ack: m.Ack, age: m.Age}
	s.line.log.Debug("set", "device", s.device.Name, "topic", m.Topic)
	if t.isRepeated(m.Duplicate) {
		return
	}
	switch {
	case !allowed:
		t.refused(gatewaySays(w.request, modbus.IllegalFunction, message.Denied, errElsewhere))
	case bad != nil:
		t.refused(gatewaySays(w.request, modbus.IllegalDataValue, bad.code, bad))
	case !s.line.limit.allow(client):
		t.refused(gatewaySays(w.request, modbus.ServerDeviceBusy, message.Busy, errTooFast))
	default:
		s.submit(t, w)
	}
}

func (s *setter) submit(t *task, w *writing) {
	r := t.busRequest()
	r.PDU, r.Next = w.first(), w.next
	r.Done = func(reply bus.Reply) {
		t.answer(w.result(reply), w.left)
		if w.left {
			s.soon(w.reading.Name)
		}
	}
	if err := s.line.bus.Submit(r); err != nil {
		r.Done(bus.Reply{Err: err})
	}
}

// setKey names a set in the journal: by its id and value, however they are written, or by its text.
func setKey(client string, set *message.Set) journal.Key {
	return journal.NewKey([]byte("set"), []byte(client), set.ID, set.Canonical())
}
