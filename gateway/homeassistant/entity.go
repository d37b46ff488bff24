package homeassistant

import "modferry/gateway/config"

const program = "modferry"

// The components.
const (
	sensor       = "sensor"
	binarySensor = "binary_sensor"
	number       = "number"
	switching    = "switch"
	selecting    = "select"
	text         = "text"
)

// entity is the payload of a discovery message, with the names of Home Assistant's
// documentation.
type entity struct {
	Name            string `json:"name"`
	UniqueID        string `json:"unique_id"`
	ObjectID        string `json:"object_id"`         // before Home Assistant 2025.10
	DefaultEntityID string `json:"default_entity_id"` // since then
	DeviceClass     string `json:"device_class,omitempty"`
	EntityCategory  string `json:"entity_category,omitempty"`

	StateTopic    string   `json:"state_topic"`
	ValueTemplate string   `json:"value_template,omitempty"`
	Unit          string   `json:"unit_of_measurement,omitempty"`
	StateClass    string   `json:"state_class,omitempty"`
	Precision     *int     `json:"suggested_display_precision,omitempty"`
	ExpireAfter   int      `json:"expire_after,omitempty"` // seconds
	Options       []string `json:"options,omitempty"`
	PayloadOn     string   `json:"payload_on,omitempty"`
	PayloadOff    string   `json:"payload_off,omitempty"`
	StateOn       string   `json:"state_on,omitempty"`
	StateOff      string   `json:"state_off,omitempty"`

	CommandTopic    string   `json:"command_topic,omitempty"`
	CommandTemplate string   `json:"command_template,omitempty"`
	Min             *float64 `json:"min,omitempty"`
	Max             *float64 `json:"max,omitempty"`
	Step            *float64 `json:"step,omitempty"`
	Mode            string   `json:"mode,omitempty"`
	QoS             int      `json:"qos"`

	Availability     []availability `json:"availability,omitempty"`
	AvailabilityMode string         `json:"availability_mode,omitempty"`
	Device           deviceInfo     `json:"device"`
	Origin           origin         `json:"origin"`
}

type availability struct {
	Topic               string `json:"topic"`
	PayloadAvailable    string `json:"payload_available"`
	PayloadNotAvailable string `json:"payload_not_available"`
	ValueTemplate       string `json:"value_template,omitempty"`
}

type deviceInfo struct {
	Identifiers  []string `json:"identifiers"`
	Name         string   `json:"name"`
	Manufacturer string   `json:"manufacturer,omitempty"`
	Model        string   `json:"model,omitempty"`
	ModelID      string   `json:"model_id,omitempty"`
	ViaDevice    string   `json:"via_device,omitempty"`
}

type origin struct {
	Name string `json:"name"`
}

// identify gives the entity its ids, of names below the gateway.
func (e *entity) identify(component string, c *config.Config, names ...string) {
	names = append([]string{node(c)}, names...)
	e.UniqueID = uniqueID(names...)
	e.ObjectID = entityID(names...)
	e.DefaultEntityID = component + "." + e.ObjectID
}
