package message

// Bounds of one message on P/history. A single reading that is larger travels alone.
const (
	MaxHistory      = 100      // readings
	MaxHistoryBytes = 64 << 10 // of the payload
)

// Record is a reading that could not be published when it was taken.
type Record struct {
	Device, Reading string
	Sample
}

// AppendRecord appends {"device":"...","reading":"...","value":23.4,...}: what
// [Sample.JSON] writes, with its origin in front.
func AppendRecord(dst []byte, r Record) []byte {
	dst = appendString(append(dst, `{"device":`...), r.Device)
	dst = appendString(append(dst, `,"reading":`...), r.Reading)
	start := len(dst)
	dst = r.append(dst)
	dst[start] = ',' // instead of the brace
	return dst
}

// History returns a payload of P/history: a JSON array of what [AppendRecord] made,
// in the order given.
func History(records [][]byte) []byte {
	size := len("[]")
	for _, r := range records {
		size += len(r) + len(",")
	}
	dst := append(make([]byte, 0, size), '[')
	for i, r := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, r...)
	}
	return append(dst, ']')
}
