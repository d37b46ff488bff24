package homeassistant

import (
	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/modbus/profile"
)

// Message is a retained message.
type Message struct {
	Topic   string
	Payload []byte
}

// Skipped is a reading that is not announced.
type Skipped struct{ Device, Reading, Why string }

// Why a reading is not announced.
const (
	isFrame = "its payload is a frame: use payload json or value for this device"
	isBlock = "it is a block of values, and a state is one value"
)

// Messages returns what announces the configuration, the gateway first, and the
// readings that it leaves out. Nothing of both without HomeAssistant.
func Messages(c *config.Config) (messages []Message, skipped []Skipped) {
	if c.HomeAssistant == nil {
		return nil, nil
	}
	messages = append(messages, gatewayMessage(c))
	for _, d := range c.Devices {
		for _, r := range d.Readings {
			if why := unfit(d, r); why != "" {
				skipped = append(skipped, Skipped{d.Name, r.Name, why})
				continue
			}
			component, e := describe(c, d, r)
			messages = append(messages, Message{configTopic(c, component, object(d.Name, r.Name)), message.Encode(e)})
		}
	}
	return messages, skipped
}

func unfit(d config.Device, r profile.Reading) string {
	switch {
	case d.Payload == "hex" || d.Payload == "binary":
		return isFrame
	case r.IsBlock():
		return isBlock
	}
	return ""
}

// gatewayMessage announces the gateway itself, by whether it is connected: devices can
// only be behind something that is there.
func gatewayMessage(c *config.Config) Message {
	e := entity{
		Name: "Connection", DeviceClass: "connectivity", EntityCategory: "diagnostic", QoS: 1,
		StateTopic: topics(c).Status(), PayloadOn: message.Online, PayloadOff: message.Offline,
		Device: deviceInfo{Identifiers: []string{uniqueID(node(c))}, Name: c.Gateway, Manufacturer: program, Model: "Modbus gateway"},
		Origin: origin{program},
	}
	e.identify(binarySensor, c, "connection")
	return Message{configTopic(c, binarySensor, "connection"), message.Encode(e)}
}

// describe returns what announces a reading.
func describe(c *config.Config, d config.Device, r profile.Reading) (component string, e entity) {
	component, e = form(r, d.Payload)
	t := topics(c).Device(d.Name)
	e.Name = r.Name
	if r.Title != "" {
		e.Name = r.Title
	}
	e.identify(component, c, d.Name, r.Name)
	e.StateTopic, e.QoS = t.Reading(r.Name), 1
	if component == sensor || component == binarySensor {
		e.ExpireAfter = expiry(c, d, r)
	} else {
		e.CommandTopic = t.Set(r.Name)
	}
	e.Availability = availabilities(topics(c), d, r)
	e.AvailabilityMode = "all"
	e.Device = deviceOf(c, d)
	e.Origin = origin{program}
	return component, e
}

// availabilities are what must all say online for a value to be known.
func availabilities(t message.Topics, d config.Device, r profile.Reading) []availability {
	all := []availability{{Topic: t.Status()}, {Topic: t.Device(d.Name).Status()}}
	if d.Payload == "json" {
		all = append(all, availability{Topic: t.Device(d.Name).Reading(r.Name), ValueTemplate: goodQuality})
	}
	for i := range all {
		all[i].PayloadAvailable, all[i].PayloadNotAvailable = message.Online, message.Offline
	}
	return all
}

func deviceOf(c *config.Config, d config.Device) deviceInfo {
	info := deviceInfo{
		Identifiers: []string{uniqueID(node(c), d.Name)}, Name: d.Name,
		Model: d.Model, ModelID: d.Profile, ViaDevice: uniqueID(node(c)),
	}
	if d.Title != "" {
		info.Name = d.Title
	}
	return info
}
