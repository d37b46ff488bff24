package sparkplug

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"modferry/gateway/message"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// Quality codes [Sparkplug 3.0, 6.4.11].
const (
	qualityBad   = 0
	qualityGood  = 192
	qualityStale = 500
)

func qualityOf(q message.Quality) int64 {
	switch q {
	case message.Good:
		return qualityGood
	case message.Stale:
		return qualityStale
	}
	return qualityBad
}

// typeOf returns the type of a reading's values. Those of a computed one may turn out
// to be of another; see natural.
func typeOf(r *profile.Reading) DataType {
	switch {
	case r.Compute != "":
		return Double
	case len(r.Names)+len(r.Flags) > 0 || r.Type == register.String:
		return String
	case r.Type == register.Bool:
		return Boolean
	case r.Type.IsTime():
		return DateTime
	case (r.Scale != 0 && r.Scale != 1) || r.Offset != 0 || r.Decimals > 0 && !r.Type.IsFloat():
		return Double
	}
	return wholeTypes[r.Type]
}

// wholeTypes are of values as the device has them.
var wholeTypes = map[register.Type]DataType{
	register.Int16: Int16, register.Uint16: UInt16, register.Int32: Int32, register.Uint32: Int64,
	register.Int64: Int64, register.Uint64: UInt64, register.Float32: Float, register.Float64: Double,
	register.BCD16: UInt16, register.BCD32: Int64, register.BCD64: Int64,
}

// natural returns the type that fits a value.
func natural(v register.Value) DataType {
	if _, ok := v.Bool(); ok {
		return Boolean
	}
	if v.IsNumber() {
		return Double
	}
	return String
}

// valueOf returns a value in a type. It is not ok if it does not fit.
func valueOf(v register.Value, t DataType) (Value, bool) {
	if v.IsNull() {
		return Value{}, false
	}
	switch t {
	case Boolean:
		on, ok := v.Bool()
		return boolValue(on), ok
	case UInt64:
		n, err := strconv.ParseUint(v.String(), 10, 64)
		return Value{Bits: n}, err == nil
	case Int16, Int32, Int64, UInt16:
		n, err := strconv.ParseInt(v.String(), 10, 64)
		return intValue(n), err == nil
	case Float:
		return floatValue(float32(v.Float())), v.IsNumber()
	case Double:
		return doubleValue(v.Float()), v.IsNumber()
	case DateTime:
		at, err := time.Parse(time.RFC3339, v.String())
		return intValue(at.UnixMilli()), err == nil && at.UnixMilli() >= 0
	}
	return textValue(words(v)), true
}

// words returns names, flags and texts as people read them.
func words(v register.Value) string {
	items := v.Items()
	if items == nil {
		return v.String()
	}
	all := make([]string, len(items))
	for i, item := range items {
		all[i] = item.String()
	}
	return strings.Join(all, ", ")
}

// json returns the value of a command as JSON, nil for none.
func (m *Metric) json() json.RawMessage {
	switch n := int64(m.Value.Bits); {
	case m.Null:
		return nil
	case m.Type == Boolean:
		return strconv.AppendBool(nil, n != 0)
	case m.Type == Float:
		return number(float64(math.Float32frombits(uint32(n))), 32)
	case m.Type == Double:
		return number(math.Float64frombits(m.Value.Bits), 64)
	case m.Type == UInt64:
		return strconv.AppendUint(nil, m.Value.Bits, 10)
	case m.Type == DateTime:
		return register.Text(time.UnixMilli(n).UTC().Format(message.TimeFormat)).JSON()
	case m.Type == String:
		return register.Text(m.Value.Text).JSON()
	default:
		return strconv.AppendInt(nil, n, 10)
	}
}

func number(f float64, bits int) json.RawMessage {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return strconv.AppendFloat(nil, f, 'g', -1, bits)
}
