package fault

import (
	"cmp"
	"encoding/hex"
	"strings"

	"modferry/modbus"
	"modferry/simulator/chance"
)

// Plan is what goes wrong with one request, by one fault or several; the zero value is
// nothing.
type Plan struct {
	Names []string
	Fault // the parts of all of them; a later one is in place of an earlier one, but delays add up
	noise noiseBytes
}

type noiseBytes struct{ before, after []byte }

// add adds a fault, which strikes for the n-th time.
func (p *Plan) add(f Fault, n uint64) {
	p.Names = append(p.Names, f.Name)
	if f.Drop == DropRequest || p.Drop == "" {
		p.Drop = f.Drop
	}
	if f.Exception != 0 || f.Short > 0 || len(f.Reply) > 0 || len(f.Raw) > 0 {
		p.Exception, p.Short, p.Reply, p.Raw = f.Exception, f.Short, f.Reply, f.Raw
	}
	p.WrongUnit = cmp.Or(f.WrongUnit, p.WrongUnit)
	p.WrongTransaction = cmp.Or(f.WrongTransaction, p.WrongTransaction)
	p.Truncate = cmp.Or(f.Truncate, p.Truncate)
	p.Duplicate = cmp.Or(f.Duplicate, p.Duplicate)
	p.Drip = cmp.Or(f.Drip, p.Drip)
	p.BadCheck = p.BadCheck || f.BadCheck
	p.Echo = p.Echo || f.Echo
	p.Close = p.Close || f.Close
	p.Delay += f.Delay
	if f.Noise.Before+f.Noise.After > 0 {
		p.noise = f.makeNoise(n)
	}
}

func (f Fault) makeNoise(n uint64) noiseBytes {
	all := make([]byte, f.Noise.Before+f.Noise.After)
	for i := range all {
		if len(f.Noise.Bytes) > 0 {
			all[i] = f.Noise.Bytes[i%len(f.Noise.Bytes)]
		} else {
			all[i] = byte(256 * chance.Of(f.Name+" noise", f.Seed, int64(n)*2*MaxNoise+int64(i)))
		}
	}
	after := all[f.Noise.Before:]
	for i := range after { // a pattern begins anew
		if len(f.Noise.Bytes) > 0 {
			after[i] = f.Noise.Bytes[i%len(f.Noise.Bytes)]
		}
	}
	return noiseBytes{all[:f.Noise.Before], after}
}

// Reaches reports whether the device gets the request.
func (p *Plan) Reaches() bool { return p.Drop != DropRequest && p.Exception == 0 }

// Changes reports whether anything is to be sent otherwise than it is.
func (p *Plan) Changes() bool { return len(p.Names) > 0 }

// Bytes returns what is sent for a reply, of which there may be none.
func (p *Plan) Bytes(framing modbus.Framing, request modbus.ADU, reply modbus.PDU, answer bool) []byte {
	frame := p.frame(framing, request, reply, answer)
	out := append([]byte(nil), p.noise.before...)
	for range 1 + p.Duplicate {
		out = append(out, frame...)
	}
	return append(out, p.noise.after...)
}

func (p *Plan) frame(framing modbus.Framing, request modbus.ADU, reply modbus.PDU, answer bool) []byte {
	switch {
	case p.Drop != "":
		return nil
	case len(p.Raw) > 0:
		return p.Raw
	case p.Exception != 0:
		reply = modbus.ExceptionPDU(request.PDU.FunctionCode, p.Exception)
	case len(p.Reply) > 0:
		reply = modbus.PDU{FunctionCode: p.Reply[0], Data: p.Reply[1:]}
	case !answer:
		return nil
	}
	reply = shorter(reply, p.Short)
	frame := framing.Append(nil, modbus.ADU{
		Transaction: request.Transaction + p.WrongTransaction, Unit: cmp.Or(p.WrongUnit, request.Unit), PDU: reply,
	})
	if p.BadCheck {
		spoil(framing, frame)
	}
	if p.Truncate > 0 {
		frame = frame[:min(p.Truncate, len(frame))]
	}
	return frame
}

// shorter returns a reply with n registers, or bytes of bits, less; its byte count fits.
func shorter(reply modbus.PDU, n int) modbus.PDU {
	if n == 0 || !canBeShort(reply.FunctionCode) || len(reply.Data) == 0 {
		return reply // an exception stays as it is
	}
	if reply.FunctionCode > modbus.ReadDiscreteInputs {
		n *= 2
	}
	left := max(0, len(reply.Data)-1-n)
	return modbus.PDU{FunctionCode: reply.FunctionCode, Data: append([]byte{byte(left)}, reply.Data[1:1+left]...)}
}

// spoil makes the check code of a frame wrong, all bits of its last byte.
func spoil(framing modbus.Framing, frame []byte) {
	switch framing {
	case modbus.RTU:
		frame[len(frame)-1] ^= 0xFF
	case modbus.ASCII:
		lrc := frame[len(frame)-4 : len(frame)-2] // before CR LF
		b, err := hex.DecodeString(string(lrc))
		if err == nil {
			copy(lrc, strings.ToUpper(hex.EncodeToString([]byte{^b[0]})))
		}
	}
}

// Pieces cuts what is sent into what is sent at once.
func (p *Plan) Pieces(b []byte) [][]byte {
	size := cmp.Or(p.Drip.Bytes, max(1, len(b)))
	var pieces [][]byte
	for ; len(b) > size; b = b[size:] {
		pieces = append(pieces, b[:size])
	}
	return append(pieces, b)
}
