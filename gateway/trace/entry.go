package trace

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"time"

	"modferry/gateway/bus"
	"modferry/modbus"
)

// An entry is kept as: number, start and duration in nanoseconds; unit, framing,
// outcome, exception, whether it is a poll; then the client and both frames, each after
// its length.

func appendEntry(b []byte, number uint64, t bus.Transaction) []byte {
	b = binary.BigEndian.AppendUint64(b, number)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Start.UnixNano()))
	b = binary.BigEndian.AppendUint64(b, uint64(t.Elapsed))
	poll := byte(0)
	if t.Poll {
		poll = 1
	}
	b = append(b, t.Unit, byte(t.Framing), byte(t.Outcome), t.Exception, poll)
	b = appendPart(b, t.Client)
	b = appendPart(b, t.Request)
	return appendPart(b, t.Reply)
}

// appendPart cuts what is longer than any name or frame can be.
func appendPart[T string | []byte](b []byte, part T) []byte {
	part = part[:min(len(part), math.MaxUint16)]
	return append(binary.BigEndian.AppendUint16(b, uint16(len(part))), part...)
}

// parseEntry reads the first entry of b, which appendEntry wrote, and returns the rest.
// The entry's frames are part of b.
func parseEntry(b []byte) (e Entry, rest []byte) {
	e.Number = binary.BigEndian.Uint64(b)
	e.Time = time.Unix(0, int64(binary.BigEndian.Uint64(b[8:]))).UTC()
	e.Elapsed = time.Duration(binary.BigEndian.Uint64(b[16:]))
	e.Unit, e.Framing, e.Outcome, e.Exception, e.Poll = b[24], modbus.Framing(b[25]), bus.Outcome(b[26]), b[27], b[28] == 1
	client, b := part(b[29:])
	e.Client = string(client)
	e.Request, b = part(b)
	e.Reply, b = part(b)
	return e, b
}

func part(b []byte) (part, rest []byte) {
	n := int(binary.BigEndian.Uint16(b))
	return b[2 : 2+n : 2+n], b[2+n:]
}

// MarshalJSON returns the entry with its frames in hex.
func (e Entry) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Number    uint64    `json:"number"`
		Time      time.Time `json:"time"`
		Unit      byte      `json:"unit"`
		Framing   string    `json:"framing"`
		Poll      bool      `json:"poll"`
		Client    string    `json:"client,omitempty"`
		Request   string    `json:"request"`
		Reply     string    `json:"reply,omitempty"`
		Elapsed   float64   `json:"elapsed_ms"`
		Outcome   string    `json:"outcome"`
		Exception byte      `json:"exception,omitempty"`
	}{
		e.Number, e.Time.Truncate(time.Microsecond), e.Unit, strings.ToLower(e.Framing.String()), e.Poll, e.Client, upperHex(e.Request), upperHex(e.Reply),
		math.Round(e.Elapsed.Seconds()*1e6) / 1e3, e.Outcome.String(), e.Exception,
	})
}

func upperHex(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
