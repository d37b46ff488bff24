package fault

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"modferry/modbus"
	"modferry/simulator/clock"
	"modferry/simulator/match"
)

// Fault is something that goes wrong with requests: which ones, and what. The zero
// value of a field means all requests, or that this does not go wrong.
//
// Of several faults the first that concerns a request has it alone, unless it has
// Also. Times are the simulator's clock; only Delay and Drip are real time.
type Fault struct {
	Name string // "" is given one when it is added

	// Which requests: all of these must hold.
	Units      []match.Range // without, all units that are there; with, also those that are not
	Functions  []string      // codes, names such as "read_coils", or the groups "read" and "write"
	Addresses  []match.Range // a request that touches one of them
	Quantities []match.Range // a request for so many registers or bits, of the first area that it touches
	Faces      []string      // kinds of faces, such as "tcp", "pty", "serial"

	// Which of those; counted from 1.
	Nth         int           // this one only
	Every       int           // every so many
	Probability float64       // of each, above 0 to 1; decided by Seed and the request's count
	Seed        uint64        // also of noise
	Count       int           // the fault goes away after so many
	After       time.Duration // not before it has been there so long
	For         time.Duration // and only so long after that
	Until       time.Time     // not any more from then on
	Also        bool          // faults behind it may concern the request as well

	// What goes wrong, in the order in which it happens.
	Drop             string // "request": the device does not get it; "reply": it does, but nothing is sent
	Exception        byte   // the device does nothing and answers so
	Short            int    // registers (bits: bytes) that the reply to a read has too few, with a fitting byte count
	Reply            []byte // the PDU of the reply instead
	WrongUnit        byte   // the reply is from this unit
	WrongTransaction uint16 // added to the reply's transaction id (TCP)
	BadCheck         bool   // CRC or LRC is wrong (RTU, ASCII)
	Raw              []byte // all that is sent, instead of a frame
	Truncate         int    // only so many bytes of the frame are sent
	Duplicate        int    // the frame is sent so many times more
	Noise            Noise
	Echo             bool // the request comes back at once
	Delay            time.Duration
	Drip             Drip
	Close            bool // the connection is closed afterwards (TCP)
}

// Noise are bytes around a reply, or instead of one.
type Noise struct {
	Before, After int
	Bytes         []byte // repeated as needed; empty: random by the fault's seed
}

// Drip sends a reply in pieces.
type Drip struct {
	Bytes int // of each piece
	Every time.Duration
}

// What [Fault.Drop] can be.
const (
	DropRequest = "request"
	DropReply   = "reply"
)

// Limits of faults.
const (
	MaxDelay     = time.Hour // also of Drip.Every
	MaxNoise     = 1024      // bytes on each side
	MaxDuplicate = 100
	MaxRaw       = 1024 // bytes
	Max          = 1000 // of a simulator
)

const maxNumber = 1_000_000_000 // of anything that is counted

var errNothing = errors.New("nothing goes wrong: add what is to happen, such as delay, drop, exception or bad_check")

// Check returns nil if the parts of the fault go together.
func (f Fault) Check() error {
	return errors.Join(f.checkMatch(), f.checkRanges(), f.checkActs())
}

func (f Fault) checkMatch() error {
	if err := checkName(f.Name); err != nil {
		return err
	}
	for _, name := range f.Functions {
		if _, err := match.Functions(name); err != nil {
			return err
		}
	}
	for _, r := range f.Units {
		if r.First < 0 || r.Last > 255 || r.First > r.Last {
			return fmt.Errorf("units %v: unit ids are 0 to 255", r)
		}
	}
	for _, r := range f.Addresses {
		if r.First < 0 || r.Last >= modbus.AddressSpace || r.First > r.Last {
			return fmt.Errorf("addresses %v: addresses are 0 to 65535", r)
		}
	}
	for _, r := range f.Quantities {
		if r.First < 1 || r.Last > modbus.MaxReadBits || r.First > r.Last {
			return fmt.Errorf("quantities %v: a request is for 1 to %d", r, modbus.MaxReadBits)
		}
	}
	for _, face := range f.Faces {
		if !slices.Contains(match.Faces(), face) {
			return fmt.Errorf("faces %q: possible are %s", face, strings.Join(match.Faces(), ", "))
		}
	}
	if !(f.Probability >= 0 && f.Probability <= 1) {
		return fmt.Errorf("probability %v: it is above 0 and up to 1", f.Probability)
	}
	if f.Nth > 0 && f.Every > 0 {
		return errors.New("nth and every exclude each other: keep one")
	}
	return nil
}

const maxName = 64

func checkName(name string) error {
	if len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/?#%"`, r) }) {
		return fmt.Errorf("name %q: it has at most %d letters, digits and signs such as - and _", name, maxName)
	}
	return nil
}

func (f Fault) checkRanges() error {
	for _, n := range []struct {
		key      string
		got, max int
	}{
		{"nth", f.Nth, maxNumber}, {"every", f.Every, maxNumber}, {"count", f.Count, maxNumber}, {"short", f.Short, modbus.MaxReadRegisters},
		{"truncate", f.Truncate, modbus.MaxASCII}, {"duplicate", f.Duplicate, MaxDuplicate},
		{"noise.before", f.Noise.Before, MaxNoise}, {"noise.after", f.Noise.After, MaxNoise}, {"noise.bytes", len(f.Noise.Bytes), MaxNoise},
		{"drip.bytes", f.Drip.Bytes, MaxRaw}, {"raw", len(f.Raw), MaxRaw}, {"reply", len(f.Reply), modbus.MaxPDU},
	} {
		if n.got < 0 || n.got > n.max {
			return fmt.Errorf("%s %d: at most %d is possible", n.key, n.got, n.max)
		}
	}
	for key, d := range map[string]time.Duration{"delay": f.Delay, "drip.every": f.Drip.Every} {
		if d < 0 || d > MaxDelay {
			return fmt.Errorf("%s %v: at most %v is possible", key, d, MaxDelay)
		}
	}
	if longest := clock.MaxYears * 365 * 24 * time.Hour; f.After < 0 || f.For < 0 || f.After > longest || f.For > longest {
		return fmt.Errorf("after and for are durations that are not negative, and at most %v", longest)
	}
	return nil
}

func (f Fault) checkActs() error {
	if f.Drop != "" && f.Drop != DropRequest && f.Drop != DropReply {
		return fmt.Errorf("drop %q: it is request or reply", f.Drop)
	}
	replaces := named(map[string]bool{"exception": f.Exception != 0, "short": f.Short > 0, "reply": len(f.Reply) > 0, "raw": len(f.Raw) > 0})
	if len(replaces) > 1 {
		return fmt.Errorf("%s exclude each other: keep one", strings.Join(replaces, " and "))
	}
	frame := named(map[string]bool{
		"wrong_unit": f.WrongUnit != 0, "wrong_transaction": f.WrongTransaction != 0, "bad_check": f.BadCheck, "truncate": f.Truncate > 0,
	})
	if len(f.Raw) > 0 && len(frame) > 0 {
		return fmt.Errorf("raw is sent as it is: remove %s", strings.Join(frame, " and "))
	}
	sent := slices.Concat(replaces, frame, named(map[string]bool{"duplicate": f.Duplicate > 0}))
	if f.Drop != "" && len(sent) > 0 {
		return fmt.Errorf("drop sends no reply: remove %s", strings.Join(sent, " and "))
	}
	noise := f.Noise.Before > 0 || f.Noise.After > 0
	switch {
	case len(f.Noise.Bytes) > 0 && !noise:
		return errors.New("noise needs how many bytes come before or after the reply: add before or after")
	case (f.Drip.Bytes > 0) != (f.Drip.Every > 0):
		return errors.New("drip needs both bytes and every, such as {bytes: 1, every: 20ms}")
	case len(sent) == 0 && f.Drop == "" && !noise && !f.Echo && !f.Close && f.Delay == 0 && f.Drip == Drip{}:
		return errNothing
	}
	return f.checkLine()
}

// checkLine looks at what only some lines have.
func (f Fault) checkLine() error {
	connection := named(map[string]bool{"wrong_transaction": f.WrongTransaction != 0, "close": f.Close})
	if f.BadCheck && len(connection) > 0 {
		return fmt.Errorf("no line has both: bad_check is of RTU and ASCII, %s of TCP; write two faults", strings.Join(connection, " and "))
	}
	return nil
}

// named returns the sorted names of what is true.
func named(all map[string]bool) []string {
	var names []string
	for name, is := range all {
		if is {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
