package register

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// MarshalJSON returns what [Value.AppendJSON] appends.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// UnmarshalJSON takes true, false, a number, a text, null, or an array of them.
func (v *Value) UnmarshalJSON(data []byte) error {
	switch {
	case len(data) > 0 && data[0] == '[':
		items := []Value{}
		err := json.Unmarshal(data, &items)
		*v = List(items)
		return err
	case len(data) > 0 && data[0] == '"':
		var text string
		err := json.Unmarshal(data, &text)
		*v = Text(text)
		return err
	}
	parsed, err := parseScalar(string(data))
	*v = parsed
	return err
}

// Parse reads a value as [Value.AppendJSON] writes it, with white space around it.
func Parse(text []byte) (Value, error) {
	var v Value
	if err := json.Unmarshal(text, &v); err != nil {
		return Value{}, fmt.Errorf("%q is no value: it must be true, false, a number, a text in quotes, or a list of them", shorten(text))
	}
	return v, nil
}

// parseScalar takes what the JSON syntax has already allowed.
func parseScalar(text string) (Value, error) {
	switch text {
	case "null":
		return Value{}, nil
	case "true", "false":
		return BoolValue(text == "true"), nil
	}
	if d, ok := parseDecimal(text); ok {
		return decimalValue(d.trim()), nil
	}
	if u, err := strconv.ParseUint(text, 10, 64); err == nil {
		return Value{kind: unsigned, bits: u}, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return Value{}, fmt.Errorf("%q is neither a bool nor a number", shorten([]byte(text)))
	}
	return Number(f), nil
}

func shorten(text []byte) []byte { return text[:min(len(text), 40)] }

const hexDigits = "0123456789abcdef"

// appendString appends a text, which is valid UTF-8, as JSON. Control characters are
// escaped, those of Unicode as well, so that none reaches a terminal or a log.
func appendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ' || r >= 0x7F && r < 0xA0 || r == 0x2028 || r == 0x2029:
			dst = append(dst, '\\', 'u', hexDigits[r>>12], hexDigits[r>>8&0xF], hexDigits[r>>4&0xF], hexDigits[r&0xF])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
