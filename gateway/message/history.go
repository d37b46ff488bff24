package message

// Bounds of one message on P/history. A single reading that is larger travels alone.
const (
	MaxHistory      = 100      // readings
	MaxHistoryBytes = 64 << 10 // of the payload
)

// AppendRecord appends {"device":"...","reading":"...","value":23.4,...}: a sample that
// [Sample.JSON] has written, with its origin in front.
func AppendRecord(dst []byte, device, reading string, sample []byte) []byte {
	dst = appendString(append(dst, `{"device":`...), device)
	dst = appendString(append(dst, `,"reading":`...), reading)
	return append(append(dst, ','), sample[1:]...) // instead of the brace
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
