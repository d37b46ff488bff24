// Package config is the gateway's configuration: one YAML file, strict keys, every
// mistake reported at once with its line and column. Loading it opens nothing but
// files: the configuration itself, profiles, secrets and certificates.
package config

import (
	"cmp"
	"time"

	"modferry/configs/strictyaml"
	"modferry/gateway/policy"
	"modferry/modbus"
	"modferry/modbus/profile"
)

// Config is a checked configuration with every default filled in.
type Config struct {
	Gateway  string // name
	Prefix   string // topic prefix, default modferry/<gateway>
	DataDir  string // "" = the user's state directory
	MQTT     MQTT
	Requests Requests
	Backlog  Backlog
	Broker   *Broker // nil = no embedded broker
	HTTP     *HTTP   // nil = no HTTP listener

	HomeAssistant *HomeAssistant // nil = not announced to it
	Sparkplug     *Sparkplug     // nil = no Sparkplug

	Buses    []Bus // in the file's order
	Devices  []Device
	Profiles string // folder of the user's own profiles; "" = none

	Warnings strictyaml.Problems // what is accepted but has no effect, by position
}

// Versions of MQTT.
const (
	MQTT311 = "3.1.1"
	MQTT5   = "5"
)

// MQTT is the connection to the broker.
type MQTT struct {
	URL         string // mqtt, mqtts, ws or wss; "" = the embedded broker
	Version     string // MQTT311 or MQTT5
	ClientID    string // default modferry-<gateway>
	Username    string
	Password    Secret
	TLS         TLS
	KeepAlive   time.Duration
	QoS         byte     // of what is published
	ReplyTopics []string // filters of response topics outside the prefix, MQTT 5 only
}

// TLS names PEM files; all empty means the system's roots and no client certificate.
type TLS struct {
	CA, Cert, Key string
	ServerName    string
}

// Requests holds what is common to the requests of all buses.
type Requests struct {
	ResumeWithin time.Duration // requests that waited at the broker longer are discarded
	Rate         float64       // requests per second and client; 0 = no limit
}

// Backlog keeps the readings that are taken while the broker is away.
type Backlog struct {
	Max  int64 // bytes on disk, at least 64 KiB; 0 = nothing is kept
	Rate int   // messages per second in which they are published later
}

// ServerTLS names the PEM files of a listener with TLS.
type ServerTLS struct {
	Cert, Key string
	CA        string // "" = clients need no certificate; else one that it signed
}

// Broker is the embedded broker.
type Broker struct {
	MQTT  string     // host:port, loopback if the host is left out
	TLS   *ServerTLS // nil = plain; else MQTT is for mqtts alone
	Users map[string]User
}

// User may publish and subscribe within Topics (MQTT filters), and subscribe within Read.
type User struct {
	Password     Secret
	Topics, Read []string
}

// Bus is one line with its rules. Exactly one of Serial and TCP is set.
type Bus struct {
	Name       string
	Serial     *Serial
	TCP        *TCP
	Timeout    time.Duration // for a reply
	Delay      time.Duration // quiet time between transactions, and after connect
	Queue      int           // requests that may wait
	Breaker    Breaker       // of units that do not answer
	Request    string        // topic that replaces P/bus/<name>/request; "" = the default
	Response   string
	Form       string         // payload: auto, hex, binary, json
	Framing    modbus.Framing // of the payloads; 0 = as they come
	Broadcast  bool
	Turnaround time.Duration // after a broadcast; 0 where there are none
	Allow      []policy.Rule
}

// Breaker says when polls leave a silent unit alone: after After timeouts in a row,
// but for probes, Probe to ProbeMax apart.
type Breaker struct {
	After    int
	Probe    time.Duration
	ProbeMax time.Duration
}

// LineFraming returns how frames are wrapped on the line itself.
func (b *Bus) LineFraming() modbus.Framing {
	if b.Serial != nil {
		return b.Serial.Mode
	}
	return b.TCP.Framing
}

// Serial is a serial port.
type Serial struct {
	Path       string
	Baud       int
	Parity     string // none, even, odd, mark, space
	DataBits   int
	StopBits   int
	Mode       modbus.Framing // RTU or ASCII
	Echo       bool
	RS485      *RS485 // nil = as the driver has it
	DTR, RTS   string // on, off; "" = as the driver has it
	LowLatency bool
	FrameGap   time.Duration // 0 = the standard's
}

// RS485 has the driver switch the direction of the line.
type RS485 struct {
	Auto        bool // go on where the driver cannot
	RTSOnSend   bool
	DelayBefore time.Duration // whole milliseconds, up to 100
	DelayAfter  time.Duration // likewise
}

// TCP is a Modbus server on a network, or a serial line behind a TCP port.
type TCP struct {
	Network  string         // tcp or udp
	Address  string         // host:port; port 502, or 802 with TLS, if left out
	TLS      *TLS           // nil = plain
	Framing  modbus.Framing // TCP (MBAP), RTU, ASCII
	InFlight int
}

// Device is what is polled and published.
type Device struct {
	Name      string
	Bus       string
	Unit      byte
	Every     time.Duration
	Heartbeat time.Duration
	Payload   string // json, value, hex, binary
	Group     bool
	Profile   string            // its name; "" = none
	Model     string            // the profile's title
	Title     string            // what the device is, for people; "" = not told
	Limits    profile.Limits    // of one read request
	Functions []byte            // functions it answers, by its profile; nil = not known
	Readings  []profile.Reading // the profile's and the file's own, in order
}

// EveryOf returns how often a reading of the device is sampled.
func (d *Device) EveryOf(r *profile.Reading) time.Duration {
	return cmp.Or(r.Every, d.Every, profile.DefaultEvery)
}

// HeartbeatOf returns after how long an unchanged reading is published again.
func (d *Device) HeartbeatOf(r *profile.Reading) time.Duration {
	return cmp.Or(r.Heartbeat, d.Heartbeat, profile.DefaultHeartbeat)
}
