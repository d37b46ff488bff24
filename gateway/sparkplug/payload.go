package sparkplug

import (
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// DataType is the type of a metric or property [Sparkplug 3.0, 6.4.16].
type DataType uint32

// The data types that the gateway uses. There is no UInt32: implementations disagree
// on the field that its values are in, and Int64 holds them all.
const (
	Int16    DataType = 2
	Int32    DataType = 3
	Int64    DataType = 4
	UInt16   DataType = 6
	UInt64   DataType = 8
	Float    DataType = 9
	Double   DataType = 10
	Boolean  DataType = 11
	String   DataType = 12
	DateTime DataType = 13 // milliseconds since 1970
)

// Payload is the content of a message.
type Payload struct {
	Time    time.Time
	Metrics []Metric
	Seq     int // 0 to 255; negative = none
}

// Metric is one value.
type Metric struct {
	Name       string    // "" = told by alias
	Alias      uint64    // 0 = none
	Time       time.Time // zero = not told
	Type       DataType  // 0 = not told
	Value      Value
	Null       bool // there is no value
	Properties []Property
}

// Value is the content of a metric or property. Its type says which field counts.
type Value struct {
	Bits uint64 // integers as two's complement, bools 0 or 1, the bits of a Float or Double
	Text string
}

// Property is a property of a metric.
type Property struct {
	Name  string
	Type  DataType
	Value Value
}

// The fields of the messages, by number, as in the specification's definition.
const (
	payloadTime, payloadMetrics, payloadSeq = 1, 2, 3

	metricName, metricAlias, metricTime, metricType = 1, 2, 3, 4
	metricNull, metricProperties                    = 7, 9
	metricInt, metricLong, metricFloat              = 10, 11, 12
	metricDouble, metricBool, metricText            = 13, 14, 15

	setKeys, setValues = 1, 2

	propertyType = 1
)

// valueFields are where a value is in its message, which begins at first.
func valueFields(first protowire.Number) (integer, long, float, double, boolean, text protowire.Number) {
	return first, first + 1, first + 2, first + 3, first + 4, first + 5
}

const propertyInt = 3 // the first field of a property's value

// Append appends the payload.
func (p *Payload) Append(dst []byte) []byte {
	dst = appendVarint(dst, payloadTime, millis(p.Time))
	var m []byte
	for i := range p.Metrics {
		m = p.Metrics[i].append(m[:0])
		dst = appendBytes(dst, payloadMetrics, m)
	}
	if p.Seq >= 0 {
		dst = appendVarint(dst, payloadSeq, uint64(p.Seq))
	}
	return dst
}

func (m *Metric) append(dst []byte) []byte {
	if m.Name != "" {
		dst = appendText(dst, metricName, m.Name)
	}
	if m.Alias != 0 {
		dst = appendVarint(dst, metricAlias, m.Alias)
	}
	if !m.Time.IsZero() {
		dst = appendVarint(dst, metricTime, millis(m.Time))
	}
	if m.Type != 0 {
		dst = appendVarint(dst, metricType, uint64(m.Type))
	}
	if m.Null {
		dst = appendVarint(dst, metricNull, 1)
	}
	if len(m.Properties) > 0 {
		dst = appendBytes(dst, metricProperties, appendProperties(nil, m.Properties))
	}
	if m.Null {
		return dst
	}
	return appendValue(dst, metricInt, m.Type, m.Value)
}

// appendProperties writes two arrays of equal size [Sparkplug 3.0, 6.4.9].
func appendProperties(dst []byte, all []Property) []byte {
	for _, p := range all {
		dst = appendText(dst, setKeys, p.Name)
	}
	for _, p := range all {
		value := appendVarint(nil, propertyType, uint64(p.Type))
		dst = appendBytes(dst, setValues, appendValue(value, propertyInt, p.Type, p.Value))
	}
	return dst
}

func appendValue(dst []byte, first protowire.Number, t DataType, v Value) []byte {
	integer, long, float, double, boolean, text := valueFields(first)
	switch t {
	case Int16, Int32, UInt16:
		return appendVarint(dst, integer, uint64(uint32(v.Bits)))
	case Int64, UInt64, DateTime:
		return appendVarint(dst, long, v.Bits)
	case Float:
		return protowire.AppendFixed32(protowire.AppendTag(dst, float, protowire.Fixed32Type), uint32(v.Bits))
	case Double:
		return protowire.AppendFixed64(protowire.AppendTag(dst, double, protowire.Fixed64Type), v.Bits)
	case Boolean:
		return appendVarint(dst, boolean, v.Bits)
	}
	return appendText(dst, text, v.Text)
}

func appendVarint(dst []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, field, protowire.VarintType), v)
}

func appendBytes(dst []byte, field protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), b)
}

func appendText(dst []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(dst, field, protowire.BytesType), s)
}

func millis(t time.Time) uint64 { return uint64(max(0, t.UnixMilli())) }

// Values of the types.
func intValue(n int64) Value      { return Value{Bits: uint64(n)} }
func doubleValue(f float64) Value { return Value{Bits: math.Float64bits(f)} }
func floatValue(f float32) Value  { return Value{Bits: uint64(math.Float32bits(f))} }
func textValue(s string) Value    { return Value{Text: s} }
func boolValue(on bool) Value {
	if on {
		return Value{Bits: 1}
	}
	return Value{}
}
