package sparkplug

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// MaxCommand is how large a command may be, in bytes.
const MaxCommand = 64 << 10

var errMetric = errors.New("a metric is not as Sparkplug has it")

// Parse reads the payload of a command: time, sequence number, and of its metrics the
// name, alias, type and a simple value. What else is in it is skipped. A metric whose
// type is not told has that of the field its value is in.
func Parse(b []byte) (*Payload, error) {
	if len(b) > MaxCommand {
		return nil, fmt.Errorf("a command has at most %d bytes, this one has %d", MaxCommand, len(b))
	}
	p := &Payload{Seq: -1}
	err := fields(b, func(f field) error {
		switch f.number {
		case payloadTime:
			p.Time = time.UnixMilli(int64(f.bits))
		case payloadSeq:
			p.Seq = int(f.bits & 0xFF)
		case payloadMetrics:
			m, err := parseMetric(f.data)
			p.Metrics = append(p.Metrics, m)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("this is no Sparkplug payload: %w", err)
	}
	return p, nil
}

func parseMetric(b []byte) (m Metric, err error) {
	m.Null = true
	stated, carried := false, DataType(0)
	value := func(t DataType, v Value) { m.Value, carried, m.Null = v, t, false }
	err = fields(b, func(f field) error {
		switch f.number {
		case metricName:
			m.Name = string(f.data)
		case metricAlias:
			m.Alias = f.bits
		case metricTime:
			m.Time = time.UnixMilli(int64(f.bits))
		case metricType:
			m.Type = DataType(f.bits)
		case metricNull:
			stated = f.bits != 0
		case metricInt:
			value(Int32, Value{Bits: uint64(uint32(f.bits))})
		case metricLong:
			value(Int64, Value{Bits: f.bits})
		case metricFloat:
			value(Float, Value{Bits: f.bits})
		case metricDouble:
			value(Double, Value{Bits: f.bits})
		case metricBool:
			value(Boolean, boolValue(f.bits != 0))
		case metricText:
			value(String, Value{Text: string(f.data)})
		}
		return nil
	})
	m.Null = m.Null || stated
	if err == nil && (!utf8.ValidString(m.Name) || !utf8.ValidString(m.Value.Text)) {
		err = errMetric
	}
	return m.typed(carried), err
}

// typed settles the type of a value by the field that carried it, where they go together.
func (m Metric) typed(carried DataType) Metric {
	switch {
	case carried == Int32 && m.Type == Int16:
		m.Value.Bits = uint64(int16(m.Value.Bits))
	case carried == Int32 && m.Type == UInt16:
		m.Value.Bits = uint64(uint16(m.Value.Bits))
	case carried == Int32 && m.Type == uint32Type:
		m.Type = Int64
	case carried == Int32:
		m.Type, m.Value.Bits = Int32, uint64(int64(int32(m.Value.Bits)))
	case carried == Int64 && (m.Type == UInt64 || m.Type == DateTime):
	default:
		m.Type = carried
	}
	return m
}

// uint32Type is a type that others may use in commands.
const uint32Type DataType = 7

// field is one field of a message: a number of any width in bits, or data.
type field struct {
	number protowire.Number
	bits   uint64
	data   []byte
}

// fields calls with for each field. A field of a wrong kind reads as zero or empty.
func fields(b []byte, with func(field) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		f := field{number: number}
		switch kind {
		case protowire.VarintType:
			f.bits, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			f.bits = uint64(v)
		case protowire.Fixed64Type:
			f.bits, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			f.data, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := with(f); err != nil {
			return err
		}
	}
	return nil
}
