package gateway

import (
	"math"
	"net/http"

	"modferry/gateway/config"
	"modferry/gateway/console"
	"modferry/gateway/message"
	"modferry/gateway/policy"
	"modferry/modbus/profile"
)

// Handle serves h over HTTP beside the console and behind its login, see
// [console.Server.Handle]. It does nothing where there is no HTTP listener.
func (g *Gateway) Handle(pattern string, h http.Handler) {
	if g.console != nil {
		g.console.Handle(pattern, h)
	}
}

// view is what the console shows of the present configuration.
func (g *Gateway) view() console.View {
	c := g.config.Load()
	v := console.View{Gateway: c.Gateway, Prefix: c.Prefix, Broker: g.viewBroker(c), Buses: []console.Bus{}, Devices: []console.Device{}}
	for _, b := range c.Buses {
		v.Buses = append(v.Buses, viewBus(busTopics(g.topics, b), &b))
	}
	for _, d := range c.Devices {
		v.Devices = append(v.Devices, viewDevice(g.topics.Device(d.Name), &d))
	}
	return v
}

func (g *Gateway) viewBroker(c *config.Config) console.Broker {
	if c.MQTT.URL != "" || g.broker == nil {
		return console.Broker{URL: c.MQTT.URL}
	}
	scheme := "mqtt://"
	if c.Broker.TLS != nil {
		scheme = "mqtts://"
	}
	return console.Broker{Embedded: true, Users: len(c.Broker.Users) > 0, URL: scheme + g.broker.Addr().String(), WebSocket: "/mqtt"}
}

func viewBus(t message.Bus, b *config.Bus) console.Bus {
	v := console.Bus{
		Name: b.Name, Request: t.Request(""), Response: t.Response(""), Error: t.Error(""), Status: t.Status(),
		Endings: b.Request == "", SharedResponse: b.Response != "",
		Payload: b.Form, Broadcast: b.Broadcast, TimeoutMS: b.Timeout.Milliseconds(), Queue: b.Queue, Allow: []console.Rule{},
	}
	if b.Serial != nil {
		v.Line = "serial " + b.Serial.Path
	} else {
		v.Line = b.TCP.Network + " " + b.TCP.Address
	}
	for _, r := range b.Allow {
		v.Allow = append(v.Allow, viewRule(r))
	}
	return v
}

func viewRule(r policy.Rule) console.Rule {
	v := console.Rule{Clients: r.Clients, Units: pairs(r.Units), Addresses: pairs(r.Addresses), Values: pairs(r.Values)}
	for _, f := range r.Functions {
		v.Functions = append(v.Functions, int(f))
	}
	return v
}

// pairs keeps nil, which matches everything.
func pairs(all []policy.Range) (v [][2]int) {
	for _, r := range all {
		v = append(v, [2]int{r.From, r.To})
	}
	return v
}

func viewDevice(t message.Device, d *config.Device) console.Device {
	v := console.Device{
		Name: d.Name, Title: d.Title, Model: d.Model, Bus: d.Bus, Unit: int(d.Unit), Payload: d.Payload,
		Topic: t.Group(), Group: d.Group, Status: t.Status(), Readings: []console.Reading{},
	}
	for _, r := range d.Readings {
		v.Readings = append(v.Readings, viewReading(t, d, &r))
	}
	return v
}

func viewReading(t message.Device, d *config.Device, r *profile.Reading) console.Reading {
	v := console.Reading{
		Name: r.Name, Title: r.Title, Unit: r.Unit, Class: r.Class, Topic: t.Reading(r.Name),
		EveryMS: d.EveryOf(r).Milliseconds(),
	}
	if r.Compute == "" {
		v.Type, v.Function, v.Address, v.Quantity = r.Type.String(), int(r.Table.ReadFunction()), int(r.Address), r.Quantity()
	}
	if r.Set == nil {
		return v
	}
	v.Set = &console.Set{
		Topic: t.Set(r.Name), Result: t.SetResult(r.Name), Min: finite(r.Set.Min), Max: finite(r.Set.Max), Step: r.Set.Step,
		Flags: len(r.Flags) > 0, Count: 1,
	}
	if r.IsBlock() {
		v.Set.Count = r.Count
	}
	for _, n := range append(r.Names[:len(r.Names):len(r.Names)], r.Flags...) {
		v.Set.Names = append(v.Set.Names, n.Name)
	}
	return v
}

// finite returns nil for a limit that is none, which JSON cannot say.
func finite(limit float64) *float64 {
	if math.IsInf(limit, 0) || math.IsNaN(limit) {
		return nil
	}
	return &limit
}
