package register

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// wide returns the value of a type whose registers are no single number.
func (d *Decoder) wide(data []byte) Value {
	if d.allNoData(data) {
		return Value{}
	}
	var buf [2 * 125]byte
	data = d.field.Order.appendRegisters(buf[:0], data)
	if d.field.Type == String {
		return Text(text(data))
	}
	t, ok := d.field.Type.calendar(data)
	if !ok {
		return Value{}
	}
	return Text(t.Format(seconds))
}

// allNoData reports whether every register holds the same no-data content.
func (d *Decoder) allNoData(data []byte) bool {
	for _, none := range d.field.NoData {
		same := true
		for i := 0; i < len(data) && same; i += 2 {
			same = d.field.Order.get(data[i:], 2) == none
		}
		if same {
			return true
		}
	}
	return false
}

// text returns the text in a device's bytes: up to the first NUL, behind which devices
// leave what was there before, and without the spaces it is filled up with. What is no
// UTF-8 is Latin-1, where each byte is a character.
func text(data []byte) string {
	data, _, _ = bytes.Cut(data, []byte{0})
	data = data[:len(data)-trailing(data)]
	if utf8.Valid(data) {
		return string(data)
	}
	var b strings.Builder
	for _, c := range data {
		b.WriteRune(rune(c))
	}
	return b.String()
}

func trailing(data []byte) (n int) {
	for n < len(data) && data[len(data)-1-n] == ' ' {
		n++
	}
	return n
}

// The forms of times, RFC 3339 in UTC.
const (
	seconds      = "2006-01-02T15:04:05Z"
	milliseconds = "2006-01-02T15:04:05.000Z"
)

// lastMilli is the last millisecond of the year 9999, where RFC 3339 ends.
const lastMilli = 253402300799999

func (t Type) instant(raw uint64) Value {
	switch {
	case t == TimeUnix:
		return Text(time.Unix(int64(raw), 0).UTC().Format(seconds))
	case raw > lastMilli:
		return Value{}
	}
	return Text(time.UnixMilli(int64(raw)).UTC().Format(milliseconds))
}

// calendar returns the time in bytes that are in order; it is not ok if there is none
// such as February 30.
func (t Type) calendar(data []byte) (time.Time, bool) {
	var part [6]int
	for i := range part {
		switch t {
		case TimeRegisters:
			part[i] = int(binary.BigEndian.Uint16(data[2*i:]))
		case TimeBytes:
			part[i] = int(data[i])
		case TimeBCD:
			n, ok := fromBCD(uint64(data[i]))
			if part[i] = int(n); !ok {
				return time.Time{}, false
			}
		}
	}
	if part[0] < 100 {
		part[0] += century
	} else if t != TimeRegisters || part[0] > 9999 {
		return time.Time{}, false
	}
	at := time.Date(part[0], time.Month(part[1]), part[2], part[3], part[4], part[5], 0, time.UTC)
	return at, parts(at) == part
}

// century is that of years of two digits.
const century = 2000

// parts returns year, month, day, hour, minute and second.
func parts(t time.Time) [6]int {
	return [6]int{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()}
}

// appendCalendar is the inverse of calendar.
func (t Type) appendCalendar(dst []byte, at time.Time) ([]byte, bool) {
	part := parts(at)
	switch {
	case t != TimeRegisters:
		part[0] -= century
		if part[0] < 0 || part[0] > 99 {
			return dst, false
		}
	case part[0] < 100 || part[0] > 9999:
		return dst, false
	}
	for _, n := range part {
		switch t {
		case TimeRegisters:
			dst = binary.BigEndian.AppendUint16(dst, uint16(n))
		case TimeBytes:
			dst = append(dst, byte(n))
		case TimeBCD:
			dst = append(dst, byte(toBCD(int64(n))))
		}
	}
	return dst, true
}

// appendWide is the inverse of wide, register by register in the field's order.
func (f *Field) appendWide(dst []byte, v Value) ([]byte, error) {
	if v.IsNull() && len(f.NoData) > 0 {
		for range f.size() / 2 {
			dst = f.Order.append(dst, f.NoData[0], 2)
		}
		return dst, nil
	}
	if f.Type == String {
		return f.appendText(dst, v)
	}
	at, err := f.time(v)
	if err != nil {
		return dst, err
	}
	var buf [12]byte
	data, ok := f.Type.appendCalendar(buf[:0], at)
	if !ok {
		return dst, &RangeError{v, *f}
	}
	return f.Order.appendRegisters(dst, data), nil
}

// appendText writes a text as UTF-8, filled up with NULs.
func (f *Field) appendText(dst []byte, v Value) ([]byte, error) {
	text, ok := v.Text()
	if !ok {
		return dst, fmt.Errorf("%s where %s needs a text in quotes", v.JSON(), f.Type)
	}
	if strings.ContainsRune(text, 0) {
		return dst, fmt.Errorf("%s has a NUL in it, where a text ends at the device", v.JSON())
	}
	if len(text) > f.size() {
		return dst, &RangeError{v, *f}
	}
	data := make([]byte, f.size())
	copy(data, text)
	return f.Order.appendRegisters(dst, data), nil
}

// time returns the moment that a text names, in UTC.
func (f *Field) time(v Value) (time.Time, error) {
	text, _ := v.Text()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%s where %s needs a date and time as in \"2026-11-24T12:00:00Z\"", v.JSON(), f.Type)
	}
	return at.UTC(), nil
}
