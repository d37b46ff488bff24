package fault

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"modferry/simulator/match"
)

// MarshalJSON returns the fault as [Parse] reads it.
func (f Fault) MarshalJSON() ([]byte, error) { return json.Marshal(f.written()) }

// writtenFault is a fault with everything as text that people write as text.
type writtenFault struct {
	Name string `json:"name"`

	Units       []match.Range `json:"units,omitempty"`
	Functions   []string      `json:"functions,omitempty"`
	Addresses   []match.Range `json:"addresses,omitempty"`
	Quantities  []match.Range `json:"quantities,omitempty"`
	Faces       []string      `json:"faces,omitempty"`
	Nth         int           `json:"nth,omitempty"`
	Every       int           `json:"every,omitempty"`
	Probability float64       `json:"probability,omitempty"`
	Seed        uint64        `json:"seed,omitempty"`
	Count       int           `json:"count,omitempty"`
	After       string        `json:"after,omitempty"`
	For         string        `json:"for,omitempty"`
	Until       string        `json:"until,omitempty"`
	Also        bool          `json:"also,omitempty"`

	Drop             string        `json:"drop,omitempty"`
	Exception        byte          `json:"exception,omitempty"`
	Short            int           `json:"short,omitempty"`
	Reply            string        `json:"reply,omitempty"`
	WrongUnit        byte          `json:"wrong_unit,omitempty"`
	WrongTransaction uint16        `json:"wrong_transaction,omitempty"`
	BadCheck         bool          `json:"bad_check,omitempty"`
	Raw              string        `json:"raw,omitempty"`
	Truncate         int           `json:"truncate,omitempty"`
	Duplicate        int           `json:"duplicate,omitempty"`
	Noise            *writtenNoise `json:"noise,omitempty"`
	Echo             bool          `json:"echo,omitempty"`
	Delay            string        `json:"delay,omitempty"`
	Drip             *writtenDrip  `json:"drip,omitempty"`
	Close            bool          `json:"close,omitempty"`
}

type writtenNoise struct {
	Before int    `json:"before,omitempty"`
	After  int    `json:"after,omitempty"`
	Bytes  string `json:"bytes,omitempty"`
}

type writtenDrip struct {
	Bytes int    `json:"bytes"`
	Every string `json:"every"`
}

func (f Fault) written() writtenFault {
	w := writtenFault{
		Name: f.Name, Units: f.Units, Functions: f.Functions, Addresses: f.Addresses, Quantities: f.Quantities, Faces: f.Faces,
		Nth: f.Nth, Every: f.Every, Probability: f.Probability, Seed: f.Seed, Count: f.Count,
		After: durationText(f.After), For: durationText(f.For), Also: f.Also,
		Drop: f.Drop, Exception: f.Exception, Short: f.Short, Reply: hex.EncodeToString(f.Reply),
		WrongUnit: f.WrongUnit, WrongTransaction: f.WrongTransaction, BadCheck: f.BadCheck, Raw: hex.EncodeToString(f.Raw),
		Truncate: f.Truncate, Duplicate: f.Duplicate, Echo: f.Echo, Delay: durationText(f.Delay), Close: f.Close,
	}
	if !f.Until.IsZero() {
		w.Until = f.Until.Format(time.RFC3339Nano)
	}
	if f.Noise.Before+f.Noise.After > 0 {
		w.Noise = &writtenNoise{f.Noise.Before, f.Noise.After, hex.EncodeToString(f.Noise.Bytes)}
	}
	if f.Drip.Bytes > 0 {
		w.Drip = &writtenDrip{f.Drip.Bytes, durationText(f.Drip.Every)}
	}
	return w
}

func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
