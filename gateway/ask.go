package gateway

import (
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
	var got httpapi.Answer
	apart := *l
	apart.own = nil // nothing that was published comes back this way
	apart.publish = func(e mqtt.Event) { got.Payload = e.Payload }
	apart.told = func(r *message.Request, res message.Result) {
		got.Form, got.Code, got.Outcome = r.Form, res.Code, r.Outcome(res)
		got.Sent = r.IsBroadcast() && res.Code == ""
	}
	done := sync.OnceFunc(func() { answer(got) })
	apart.serve(client, mqtt.Arrived("/api/bus/"+l.bus.Name()+"/request", payload, done))
}

// Readings implements [httpapi.Gateway].
func (a asked) Readings() []httpapi.Reading {
	var all []httpapi.Reading
	for _, d := range a.config.Load().Devices {
		topics := a.topics.Device(d.Name)
		for _, r := range d.Readings {
			all = append(all, httpapi.Reading{Device: d.Name, Name: r.Name, Payload: a.session.Newest(topics.Reading(r.Name)), Form: payloadForm(d, r.Compute != "")})
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
