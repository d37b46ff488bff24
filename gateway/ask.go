package gateway

import (
	"encoding/json"
	"sync"

	"modferry/gateway/config"
	"modferry/gateway/console"
	"modferry/gateway/httpapi"
	"modferry/gateway/message"
	"modferry/gateway/mqtt"
)

// asked is the gateway as HTTP clients see it: their requests take the way of those
// that come over MQTT, and only their answers go elsewhere.
type asked struct{ *Gateway }

// serveAPI serves HTTP clients beside the console.
func (g *Gateway) serveAPI() {
	api := httpapi.New(httpapi.Options{Gateway: asked{g}, User: console.User})
	for _, path := range []string{"/api/bus/", "/api/device/", "/api/readings"} {
		g.Handle(path, api)
	}
}

// Ask implements [httpapi.Gateway].
func (a asked) Ask(bus, client string, payload []byte, answer func(httpapi.Answer)) error {
	for _, l := range *a.plant.lines.Load() {
		if l.bus.Name() == bus {
			l.ask(client, payload, answer)
			return nil
		}
	}
	return httpapi.ErrNoBus
}

// ask serves a request whose answer is not published. The acknowledgement, which
// comes after everything that would be, ends it.
func (l *line) ask(client string, payload []byte, answer func(httpapi.Answer)) {
	heard := &hearing{}
	heard.Form = l.decode.Form // of what is answered from memory; where a bus takes several forms that is JSON
	apart := *l
	apart.own = nil // nothing that was published comes back this way
	apart.publish = func(e mqtt.Event) { heard.Payload = e.Payload }
	apart.told = heard
	done := sync.OnceFunc(func() { heard.recall(); answer(heard.Answer) })
	apart.serve(client, mqtt.Arrived("/api/bus/"+l.bus.Name()+"/request", payload, done))
}

// listener is told what becomes of a request.
type listener interface {
	answered(*message.Request, message.Result)
	refused(*message.Error) // it is none
}

// hearing is what an HTTP client hears.
type hearing struct {
	httpapi.Answer
	told bool // what became of it
}

// recall finds out what became of a request that is answered from memory.
func (h *hearing) recall() {
	var said struct {
		Error   struct{ Code message.Code }
		Outcome message.Outcome
	}
	if !h.told && json.Unmarshal(h.Payload, &said) == nil {
		h.Code, h.Outcome = said.Error.Code, said.Outcome
	}
}

func (h *hearing) answered(r *message.Request, res message.Result) {
	h.told = true
	h.Form, h.Code, h.Outcome = r.Form, res.Code, r.Outcome(res)
	h.Sent = r.IsBroadcast() && res.Code == ""
}

func (h *hearing) refused(why *message.Error) {
	h.told, h.Code = true, why.Code
	if h.Form != message.Line || why.Reply() == nil {
		h.Form = message.JSON
	}
	if why.IsWrite() {
		h.Outcome = message.Refused
	}
}

// Readings implements [httpapi.Gateway].
func (a asked) Readings(wanted func(device, reading string) bool) []httpapi.Reading {
	var all []httpapi.Reading
	for _, d := range a.config.Load().Devices {
		topics := a.topics.Device(d.Name)
		for _, r := range d.Readings {
			if wanted(d.Name, r.Name) {
				payload := a.session.Newest(topics.Reading(r.Name))
				all = append(all, httpapi.Reading{Device: d.Name, Name: r.Name, Payload: payload, Form: payloadForm(d, r.Compute != "")})
			}
		}
	}
	return all
}

// payloadForm is the form in which a device's readings are published.
func payloadForm(d config.Device, isComputed bool) message.Form {
	switch {
	case d.Payload == "" || d.Payload == "json":
		return message.JSON
	case d.Payload == "value" || isComputed: // what is computed has no frame
		return message.ASCII
	case d.Payload == "binary":
		return message.Binary
	}
	return message.Hex
}
