package profile

import (
	"time"

	"modferry/configs/strictyaml"
	"modferry/modbus"
	"modferry/modbus/register"
)

// Profile is a checked description of one kind of device, with defaults filled in.
type Profile struct {
	Name   string // as in profiles/<name>.yaml
	Title  string // what the device is, for people
	Source string // where the description comes from

	Unit      byte // the unit id it is delivered with, 1 to 247
	Serial    Serial
	Every     time.Duration       // between two samples of a reading
	Heartbeat time.Duration       // an unchanged reading is published again after this long
	Readings  []Reading           // in the file's order
	Warnings  strictyaml.Problems // what can hardly be meant
	Limits    Limits              // of one read request

	Functions []byte     // function codes it answers; any other gets exception 01. Nil: all
	Registers []Register // its own side, in the file's order

	Tables         []modbus.Span   // what it has beside the registers, and nothing is said about
	ServerID       []byte          // what function 17 returns after the byte count: id, run status, text; nil: it has not that function
	Identification map[byte]string // objects of function 43/14 by id; nil: likewise
}

// MaxGap is the greatest [Limits.Gap]: more would not fit between two registers of one request.
const MaxGap = modbus.MaxReadRegisters - 2

// DefaultGap joins two readings where reading what lies between them takes less of
// the line than a second request would.
const DefaultGap = 8

// DefaultLimits returns what the protocol allows, and [DefaultGap].
func DefaultLimits() Limits {
	return Limits{Registers: modbus.MaxReadRegisters, Bits: modbus.MaxReadBits, Gap: DefaultGap}
}

// Limits are what one read request of a device may ask for.
type Limits struct {
	Registers int // at most, 1 to 125; 0 = 125
	Bits      int // at most, 1 to 2000; 0 = 2000
	Gap       int // at most this many registers (bits: times 16) that nobody asked for are read to join two readings; 0 = none
}

// Serial is the line the device is delivered for.
type Serial struct {
	Baud     int    // bits per second
	Parity   string // none, even, odd, mark or space
	DataBits int    // 5 to 8
	StopBits int    // 1 or 2
}

// Reading is a value that is read regularly and published.
type Reading struct {
	Name  string
	Title string // for people; "" = the name
	register.Field
	Compute     string        // an expression over other readings; then the Field has no place
	Unit        string        // of measurement, "°C"
	Class       string        // what is measured, such as temperature; "" = not told
	Every       time.Duration // 0 = the device's
	Heartbeat   time.Duration // 0 = the device's
	MinInterval time.Duration // it is published at most this often; 0 = no limit
	Deadband    Deadband
	Set         *Set // nil = not for writing
}

// Deadband is how far a value must move before it counts as changed. The zero
// value lets every change through; at most one of the two is set.
type Deadband struct {
	Absolute float64 // in the reading's unit
	Percent  float64 // of the value published last, 0 to 100
}

// Set allows a reading to be written. Min to Max are the values of a number, 0 to 1
// of a bool; texts, times, names and flags have no limits but their own.
type Set struct {
	Min, Max float64
	Step     float64 // values are Min plus a multiple of it; 0 = any
	Verify   bool    // the value is read back, and done means that it was found
}

// Register is one value of the device itself.
type Register struct {
	Name string
	register.Field

	Initial  float64          // what it holds when the device is new; a block holds it everywhere
	Each     []float64        // what each place of a block holds instead; nil = Initial
	Text     string           // likewise, of a text or a time
	Exact    []register.Value // Initial or Each where they are no float64, as whole numbers of 64 bits; nil = they are
	Min, Max float64          // a write outside gets exception 03, a measured value stays inside; infinite if there is none
	ReadOnly bool             // a write is refused; input registers and discrete inputs always are
	Refusal  byte             // the exception that it is refused with, 1 to 4; 0 = 2
	Codes    []Code           // if any: only these may be written, as code or as meaning
	Coded    bool             // with codes: it reads back as the code, not as the meaning

	Role     Role   // what the device itself does with it
	Applies  Moment // when a written value takes effect
	Corrects string // name of the measured register that it is added to

	Model Model // how it moves by itself; nil = it does not
}

// Code is a short form that a register accepts for what it means.
type Code struct{ Written, Means uint16 }

// Role is what the device does with a register.
type Role uint8

// The roles.
const (
	Plain    Role = iota
	UnitID        // its unit id
	BaudRate      // its speed in bits per second
)

// Moment is when a written register takes effect.
type Moment uint8

// The moments.
const (
	AtOnce Moment = iota
	AtRestart
)
