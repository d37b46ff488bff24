package poll

import (
	"encoding/hex"
	"time"

	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/register"
)

// show takes note of the publication and appends its payload; nothing where the form
// of the payload cannot say what is to be said.
func (r *reading) show(dst []byte, now time.Time, c *message.Clock) []byte {
	r.shown, r.published, r.moved, r.held = r.quality, now, false, false
	if !r.isPlain {
		r.shownValue = r.value
	}
	switch {
	case r.payload == "json":
		return r.tail.Append(r.appendValue(message.AppendSample(dst)), r.quality, r.time, c)
	case r.quality != message.Good:
		return dst // the value of before would look like a new one
	case r.isFrame():
		return r.appendFrame(dst)
	case r.isUndecoded:
		return r.appendValue(dst)
	}
	return r.value.AppendText(dst)
}

func (r *reading) appendValue(dst []byte) []byte {
	switch {
	case r.isPlain && len(r.data) > 0:
		text, err := r.decoder.AppendJSON(dst, r.data)
		if err != nil {
			return append(dst, "null"...) // cannot be: every content is a value
		}
		return text
	case r.isPlain:
		return append(dst, "null"...)
	case r.isUndecoded && r.text != nil:
		return append(dst, r.text...)
	}
	return r.value.AppendJSON(dst)
}

// isFrame reports whether it is published as a frame. What is computed has none.
func (r *reading) isFrame() bool {
	return (r.payload == "hex" || r.payload == "binary") && r.Compute == ""
}

// appendFrame appends the device's reply to a read of just this reading, as an app that
// reads frames expects it.
func (r *reading) appendFrame(dst []byte) []byte {
	pdu := modbus.PDU{FunctionCode: r.Table.ReadFunction(), Data: append([]byte{byte(len(r.data))}, r.data...)}
	frame := modbus.AppendRTU(nil, modbus.ADU{Unit: r.unit, PDU: pdu})
	if r.payload == "binary" {
		return append(dst, frame...)
	}
	start := len(dst)
	dst = hex.AppendEncode(dst, frame)
	for i, c := range dst[start:] {
		if c >= 'a' {
			dst[start+i] = c - 'a' + 'A'
		}
	}
	return dst
}

// frameData is what lies around the data of a reply in an RTU frame: unit, function and
// byte count before it, the CRC after it.
const frameHead, frameTail = 3, 2

// SampleJSON returns what [message.Sample.JSON] does for a payload of a reading that
// was published at a time, whatever its form.
func (p *Poller) SampleJSON(reading string, payload []byte, at time.Time) []byte {
	r := p.byName[reading]
	if r.payload == "json" {
		return payload
	}
	s := message.Sample{Value: r.valueOf(payload), Unit: r.Unit, Quality: message.Good, Time: at}
	return s.JSON()
}

// valueOf reads a payload of a form other than JSON.
func (r *reading) valueOf(payload []byte) register.Value {
	if r.isFrame() {
		if r.payload == "hex" {
			payload, _ = hex.DecodeString(string(payload)) // written here
		}
		value, _ := r.decoder.Decode(payload[frameHead : len(payload)-frameTail])
		return value
	}
	if r.computed == nil && (r.Type == register.String || r.Type.IsTime() && !r.IsBlock()) {
		return register.Text(string(payload))
	}
	if value, err := register.Parse(payload); err == nil {
		return value
	}
	return register.Text(string(payload)) // a name
}
