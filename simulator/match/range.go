package match

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Range is a range of numbers, both ends included.
type Range struct{ First, Last int }

// String returns "5" or "1-8".
func (r Range) String() string {
	if r.First == r.Last {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// MarshalText returns "5" or "1-8".
func (r Range) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

var rangeText = regexp.MustCompile(`^([0-9A-Fa-fxX]+) *- *([0-9A-Fa-fxX]+)$`)

// ParseRange reads a number or a range, such as 5, 1-8 or 0x0100-0x01FF, of numbers up
// to 65535.
func ParseRange(text string) (Range, error) {
	first, last := text, text
	if m := rangeText.FindStringSubmatch(text); m != nil {
		first, last = m[1], m[2]
	}
	r := Range{}
	var err1, err2 error
	r.First, err1 = parseNumber(first)
	r.Last, err2 = parseNumber(last)
	if err1 != nil || err2 != nil || r.First > r.Last {
		return Range{}, fmt.Errorf("expected a number or a range such as 1-8 or 0x0100-0x01FF, got %q", text)
	}
	return r, nil
}

// parseNumber reads a decimal number, or a hexadecimal one with 0x.
func parseNumber(text string) (int, error) {
	digits, hex := strings.CutPrefix(strings.ToLower(text), "0x")
	base := 10
	if hex {
		base = 16
	}
	n, err := strconv.ParseUint(digits, base, 16)
	return int(n), err
}

// Within reports whether any number from first to before end is in one of the ranges.
func Within(ranges []Range, first, end int) bool {
	return slices.ContainsFunc(ranges, func(r Range) bool { return first <= r.Last && r.First < end })
}

// Shortened returns the beginning of a word that should have been another, for an error.
func Shortened(text string) string {
	const most = 40
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
