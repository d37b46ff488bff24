package strictyaml

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// String returns the value as text; numbers and booleans are taken as written.
func (n Node) String(def string) string {
	text, ok := n.read("text")
	if !ok {
		return def
	}
	return text
}

// Text returns the value as text that is not empty; ok is false if it is absent or wrong.
func (n Node) Text() (text string, ok bool) {
	text, ok = n.read("text")
	if ok && text == "" {
		n.Problemf("the text is empty: fill it in, or remove the key")
		ok = false
	}
	return text, ok
}

// read returns the text of a scalar. It is not ok for an absent value and for what
// is no scalar, which is reported as not being what was expected.
func (n Node) read(what string) (string, bool) {
	if n.value == nil {
		return "", false
	}
	if n.value.kind != scalar {
		n.expected(what)
		return "", false
	}
	return n.scalarText()
}

// readPlain is read for what is not written in quotes, except with ${NAME}.
func (n Node) readPlain(what string) (string, bool) {
	text, ok := n.read(what)
	if ok && n.value.style == quoted && !n.hasExpression() {
		n.expectedHint(what, "remove the quotes")
		return "", false
	}
	return text, ok
}

// Bool returns true or false; other spellings are reported.
func (n Node) Bool(def bool) bool {
	text, ok := n.readPlain("true or false")
	if !ok {
		return def
	}
	switch text {
	case "true", "True", "TRUE":
		return true
	case "false", "False", "FALSE":
		return false
	}
	n.expected("true or false")
	return def
}

// Int returns a whole number from min to max, decimal or hexadecimal with 0x.
func (n Node) Int(def, min, max int) int {
	what := "a whole number" + between(min == math.MinInt, max == math.MaxInt, strconv.Itoa(min), strconv.Itoa(max))
	text, ok := n.readPlain(what)
	if !ok {
		return def
	}
	v, hint := parseInt(text)
	switch {
	case hint != "":
		n.expectedHint(what, hint)
		return def
	case v == nil || *v < min || *v > max:
		n.expected(what)
		return def
	}
	return *v
}

// between says the limits of a value; none is a limit that is none.
func between(noMin, noMax bool, min, max string) string {
	switch {
	case noMin && noMax:
		return ""
	case noMax:
		return " of at least " + min
	case noMin:
		return " of at most " + max
	}
	return " from " + min + " to " + max
}

// parseInt returns nil for what is no number that fits, and a hint where the number could mean two things.
func parseInt(text string) (*int, string) {
	sign, digits := 1, text
	if strings.HasPrefix(digits, "-") {
		sign, digits = -1, digits[1:]
	}
	base := 10
	if strings.HasPrefix(digits, "0x") || strings.HasPrefix(digits, "0X") {
		base, digits = 16, digits[2:]
	} else if len(digits) > 1 && digits[0] == '0' && strings.Trim(digits, "0123456789") == "" {
		return nil, "write it without the leading 0, or as 0x for hexadecimal"
	}
	v, err := strconv.ParseInt(digits, base, 0)
	if err != nil || v < 0 || strings.HasPrefix(digits, "+") || strings.HasPrefix(digits, "-") {
		return nil, ""
	}
	i := sign * int(v)
	return &i, ""
}

// Float returns a number from min to max; infinities and NaN are none.
func (n Node) Float(def, min, max float64) float64 {
	text := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	what := "a number" + between(min <= -math.MaxFloat64, max >= math.MaxFloat64, text(min), text(max))
	s, ok := n.readPlain(what)
	if !ok {
		return def
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || strings.Trim(s, "+-.0123456789eE") != "" || v < min || v > max {
		n.expected(what)
		return def
	}
	return v
}

// Duration returns a duration from min to max such as 300ms or 1m30s. The unit is
// needed except for 0. A max of 0 is no limit.
func (n Node) Duration(def, min, max time.Duration) time.Duration {
	what := "a duration" + between(false, max == 0, short(min), short(max))
	text, ok := n.read(what)
	if !ok {
		return def
	}
	v, err := time.ParseDuration(text)
	switch {
	case err != nil && isDigits(text) && n.hasExpression():
		n.expectedHint(what, "add a unit such as ms or s")
		return def
	case err != nil && isDigits(text):
		n.expectedHint(what, fmt.Sprintf("add a unit, as in %sms or %ss", text, text))
		return def
	case err != nil:
		n.expectedHint(what, "write it as in 300ms, 5s or 1m30s")
		return def
	case v < min || max != 0 && v > max:
		n.expected(what)
		return def
	}
	return v
}

// Time returns a time as [RFC 3339] writes it, the zero time if there is none.
func (n Node) Time() time.Time {
	text := n.String("")
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		n.expected("a time such as 2026-01-31T12:00:00Z")
	}
	return at
}

func isDigits(s string) bool { return s != "" && len(s) < 20 && strings.Trim(s, "0123456789") == "" }

// short writes a duration without its zero parts.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// OneOf returns one of the allowed words.
func (n Node) OneOf(def string, allowed ...string) string {
	what := choice(allowed)
	text, ok := n.read(what)
	if !ok {
		return def
	}
	if slices.Contains(allowed, text) {
		return text
	}
	if meant := n.Nearest(allowed...); meant != "" && len(allowed) > 2 {
		n.expectedHint(what, "did you mean "+meant+"?")
	} else {
		n.expected(what)
	}
	return def
}

// Nearest returns the word that was probably meant by the text as it is written, ""
// if none is close.
func (n Node) Nearest(words ...string) string {
	if n.value == nil || n.value.kind != scalar {
		return ""
	}
	return nearest(n.value.text, words)
}

func choice(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// Size returns a number of bytes such as 64MiB, 10 MB or 4096B. The unit is needed except for 0.
func (n Node) Size(def int64) int64 {
	const what, hint = "a size", "write it as in 64MiB (KiB, MiB, GiB, kB, MB, GB or B)"
	text, ok := n.read(what)
	if !ok {
		return def
	}
	if text == "0" {
		return 0
	}
	for _, u := range sizeUnits {
		digits, found := strings.CutSuffix(text, u.name)
		if !found {
			continue
		}
		v, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || v < 0 || v > math.MaxInt64/u.bytes {
			break
		}
		return v * u.bytes
	}
	n.expectedHint(what, hint)
	return def
}
