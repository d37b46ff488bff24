package simulator

import (
	"io/fs"
	"time"

	"modferry/modbus"
	"modferry/simulator/call"
	"modferry/simulator/clock"
	"modferry/simulator/config"
	"modferry/simulator/device"
	"modferry/simulator/event"
	"modferry/simulator/fault"
	"modferry/simulator/match"
)

// These are the names that programs know, of what has a package of its own.

// Clock is the time that the devices live in.
type Clock = clock.Clock

// ClockState is what a Clock shows.
type ClockState = clock.State

// Limits of a Clock: its greatest speed, and how many years it goes.
const (
	MaxSpeed = clock.MaxSpeed
	MaxYears = clock.MaxYears
)

// NewClock is [clock.New].
func NewClock(at time.Time) *Clock { return clock.New(at) }

// NewPausedClock is [clock.NewPaused].
func NewPausedClock(at time.Time) *Clock { return clock.NewPaused(at) }

// Range is a range of numbers, both ends included.
type Range = match.Range

// ParseRange is [match.ParseRange].
func ParseRange(text string) (Range, error) { return match.ParseRange(text) }

// TableName returns coils, discrete, holding or input.
func TableName(t modbus.Table) string { return match.TableName(t) }

// TableByName is the inverse of [TableName].
func TableByName(name string) (t modbus.Table, ok bool) { return match.TableByName(name) }

// Kinds of faces.
const (
	FaceTCP          = match.FaceTCP
	FaceTLS          = match.FaceTLS
	FaceUDP          = match.FaceUDP
	FaceRTUOverTCP   = match.FaceRTUOverTCP
	FaceASCIIOverTCP = match.FaceASCIIOverTCP
	FacePTY          = match.FacePTY
	FaceSerial       = match.FaceSerial
	FaceMemory       = match.FaceMemory
	FaceMQTT         = match.FaceMQTT
)

// Event is something that happened to the simulator.
type Event = event.Event

// What an Event has.
type (
	ValueEvent = event.Value
	FaultEvent = event.Fault
	PowerEvent = event.Power
	LostEvent  = event.Lost
)

// Listener hears events until it is closed.
type Listener = event.Listener

// A Fault lets requests go wrong.
type (
	Fault      = fault.Fault
	FaultState = fault.State // a fault and what became of it
	Noise      = fault.Noise
	Drip       = fault.Drip
)

// What [Fault.Drop] can be.
const (
	DropRequest = fault.DropRequest
	DropReply   = fault.DropReply
)

// Limits of faults.
const (
	MaxDelay     = fault.MaxDelay
	MaxNoise     = fault.MaxNoise
	MaxDuplicate = fault.MaxDuplicate
	MaxRaw       = fault.MaxRaw
	MaxFaults    = fault.Max
)

// ParseFault is [fault.Parse].
func ParseFault(text []byte) (Fault, error) { return fault.Parse(text) }

// ParseFaultJSON is [fault.ParseJSON].
func ParseFaultJSON(text []byte) (Fault, error) { return fault.ParseJSON(text) }

// A Call is kept of each request.
type (
	Call       = call.Call
	CallFilter = call.Filter // chooses calls
	CallCount  = call.Count  // how much of the calls is kept
)

// How many calls are kept: where nothing else is said, and at most.
const (
	DefaultCalls = call.Default
	MaxCalls     = call.Max
)

// ErrNoCalls is [call.ErrNone].
var ErrNoCalls = call.ErrNone

// A Device is one virtual device.
type (
	Device        = device.Device
	DeviceOptions = device.Options
	NamedValue    = device.NamedValue // what a register or a reading of the profile shows
)

// A Config is a checked configuration file.
type (
	Config         = config.Config
	ControlOptions = config.ControlOptions
	TLSOptions     = config.TLSOptions
	ServerTLS      = config.ServerTLS // the PEM files of a TLS face
)

// MinToken is the fewest characters of a token.
const MinToken = config.MinToken

// LoadConfig is [config.Load].
func LoadConfig(file string, profiles fs.FS) (Config, error) { return config.Load(file, profiles) }

// ParseConfig is [config.Parse].
func ParseConfig(file string, data []byte, profiles fs.FS) (Config, error) {
	return config.Parse(file, data, profiles)
}

// ReadToken is [config.ReadToken].
func ReadToken(path string) (string, error) { return config.ReadToken(path) }

// IsLoopback is [config.IsLoopback].
func IsLoopback(address string) bool { return config.IsLoopback(address) }
