package explain

import (
	"encoding/binary"
	"fmt"
	"strings"

	"modferry/modbus"
)

// walker goes through a frame from its first byte to its last and writes down the fields.
type walker struct {
	r       reading
	request *modbus.ADU // what a reply answers; nil = not known
	at      int         // index in r.raw
	end     int         // of the PDU in r.raw
	fields  []Field
	values  []Value
}

func newWalker(r reading, request *modbus.ADU) *walker {
	return &walker{r: r, request: request, end: r.before + r.header + len(r.body)}
}

func (w *walker) walk() {
	w.front()
	w.take(1, "unit", func(b []byte) (string, string) { return number(int(b[0])), unitMeaning(b[0], w.r.framing) })
	w.take(1, "function", functionMeaning)
	w.pdu()
	if w.at < w.end {
		w.unexpected(w.end - w.at)
	}
	w.back()
}

// front writes what stands before the unit.
func (w *walker) front() {
	if w.r.before > 0 {
		w.add(w.r.before, "noise", "", "not part of the frame")
	}
	switch w.r.framing {
	case modbus.ASCII:
		w.fields = append(w.fields, Field{0, ":", "start", "", "an ASCII frame begins with ':'"})
	case modbus.TCP:
		w.take(2, "transaction", func(b []byte) (string, string) {
			return number(word(b)), "the reply repeats the request's"
		})
		w.take(2, "protocol", func(b []byte) (string, string) { return number(word(b)), "0 = Modbus" })
		w.take(2, "length", func(b []byte) (string, string) { return number(word(b)), "bytes that follow" })
	}
}

// back writes what stands behind the PDU.
func (w *walker) back() {
	tail := w.r.tail
	switch c := w.r.check; {
	case c == nil && tail == 1 && w.r.framing == modbus.RTU:
		w.add(1, "CRC", "", "cut off: it has 2 bytes")
		tail = 0
	case c != nil:
		meaning := "the check code of the bytes before"
		if !c.OK {
			meaning = "must be " + c.Expected
		}
		n := (len(c.Found) + 1) / 3
		w.add(n, c.Name, rightOrWrong(c.OK), meaning)
		tail -= n
	}
	if tail > 0 {
		w.unexpected(tail)
	}
	if w.r.framing == modbus.ASCII && strings.HasSuffix(w.r.text, "\n") {
		line := strings.TrimRight(w.r.text, "\r\n")
		w.fields = append(w.fields, Field{len(line), lineEnd(w.r.text[len(line):]), "end", "", "an ASCII frame ends with CR LF"})
	}
}

func rightOrWrong(ok bool) string {
	if ok {
		return "right"
	}
	return "wrong"
}

func lineEnd(s string) string {
	return strings.TrimSpace(strings.NewReplacer("\r", "CR ", "\n", "LF ").Replace(s))
}

// add writes the next n bytes down as a field.
func (w *walker) add(n int, name, value, meaning string) {
	offset := w.at
	if w.r.framing == modbus.ASCII {
		offset = 1 + 2*w.at
	}
	w.fields = append(w.fields, Field{offset, pairs(w.r.raw[w.at : w.at+n]), name, value, meaning})
	w.at += n
}

func (w *walker) unexpected(n int) {
	w.add(n, "unexpected", "", "more than the frame has")
}

// take writes the next n bytes down as what say makes of them. It returns false, and
// writes down what is there, if the PDU ends before.
func (w *walker) take(n int, name string, say func([]byte) (value, meaning string)) bool {
	left := max(w.end-w.at, 0)
	switch {
	case left >= n:
		value, meaning := say(w.r.raw[w.at : w.at+n])
		w.add(n, name, value, meaning)
		return true
	case left > 0:
		w.add(left, name, "", fmt.Sprintf("cut off: it has %s", bytesWord(n)))
	}
	return false
}

// number takes a field of two bytes whose value is its number.
func (w *walker) number(name string, meaning func(int) string) {
	w.take(2, name, func(b []byte) (string, string) { return number(word(b)), meaning(word(b)) })
}

// peek returns the two bytes at a distance from here as a number, 0 beyond the PDU.
func (w *walker) peek(distance int) int {
	if from := w.at + distance; from+2 <= w.end {
		return word(w.r.raw[from:])
	}
	return 0
}

// registers writes n registers down; first is the address of the first, -1 if it is not known.
func (w *walker) registers(first, n int) {
	for i := 0; i < n && w.at < w.end; i++ {
		name := fmt.Sprintf("value %d", i+1)
		if first >= 0 {
			name = fmt.Sprintf("at address %d", first+i)
		}
		if !w.take(2, name, registerMeaning) {
			return
		}
		w.values = append(w.values, registerValue(word(w.r.raw[w.at-2:]), address(first, i)))
	}
}

// register writes one register's field down under its own name.
func (w *walker) register(name string, first int) {
	if w.take(2, name, registerMeaning) {
		w.values = append(w.values, registerValue(word(w.r.raw[w.at-2:]), address(first, 0)))
	}
}

// bits writes n bits down, eight to a byte; bytes is how many bytes there are for them.
func (w *walker) bits(first, n, bytes int) {
	for i := 0; i < bytes && w.at < w.end; i++ {
		from, count := 8*i, min(8, n-8*i)
		w.take(1, bitsName(first, from, count), func(b []byte) (string, string) {
			return fmt.Sprintf("%08b", b[0]), bitsMeaning(b[0], first, from, count)
		})
		for bit, on := range modbus.Bits(w.r.raw[w.at-1:w.at], max(count, 0)) {
			w.values = append(w.values, Value{Address: address(first, from+bit), Bit: &on})
		}
	}
}

// data writes n bytes down that are the device's own.
func (w *walker) data(n int, name, meaning string) {
	if n = min(n, w.end-w.at); n > 0 {
		w.add(n, name, text(w.r.raw[w.at:w.at+n]), meaning)
	}
}

// text returns b as quoted text if all of it is printable ASCII, else nothing.
func text(b []byte) string {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return ""
		}
	}
	return `"` + string(b) + `"`
}

func registerMeaning(b []byte) (value, meaning string) {
	v := binary.BigEndian.Uint16(b)
	if int16(v) < 0 {
		return number(int(v)), fmt.Sprintf("or %d as a signed number; hex %04X", int16(v), v)
	}
	return number(int(v)), fmt.Sprintf("hex %04X", v)
}

func registerValue(v int, at *int) Value {
	unsigned, signed := uint16(v), int16(v)
	return Value{Address: at, Hex: fmt.Sprintf("%04X", v), Uint16: &unsigned, Int16: &signed}
}

func bitsName(first, from, count int) string {
	low := from + max(first, 0)
	if first < 0 {
		low++ // without addresses they are counted from 1
	}
	switch {
	case count < 1:
		return "unused"
	case count == 1:
		return fmt.Sprintf("bit %d", low)
	}
	return fmt.Sprintf("bits %d-%d", low, low+count-1)
}

// bitsMeaning lists the bits that are on; the first is the lowest of its byte [App 6.1].
func bitsMeaning(b byte, first, from, count int) string {
	base := from + 1
	if first >= 0 {
		base = first + from
	}
	var on []string
	for i := range max(count, 0) {
		if b>>i&1 == 1 {
			on = append(on, number(base+i))
		}
	}
	if len(on) == 0 {
		return "all off"
	}
	return "on: " + strings.Join(on, ", ") + "; the first is on the right"
}

// address returns the address of item i, nil if the first is not known.
func address(first, i int) *int {
	if first < 0 {
		return nil
	}
	at := first + i
	return &at
}

func word(b []byte) int { return int(binary.BigEndian.Uint16(b)) }

func number(n int) string { return fmt.Sprint(n) }

func bytesWord(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}
