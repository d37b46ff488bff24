package recording

import (
	"context"
	"errors"
	"fmt"
	"time"

	"modferry/modbus"
	"modferry/modbus/transport"
)

// Asker is a way to a device. An error means that the device did not answer.
type Asker interface {
	Ask(ctx context.Context, unit byte, request modbus.PDU) (modbus.PDU, error)
}

// Line is an [Asker] over a transporter, which waits so long for each reply.
type Line struct {
	Transporter transport.Transporter
	Timeout     time.Duration
}

// Ask makes one transaction.
func (l Line) Ask(ctx context.Context, unit byte, request modbus.PDU) (modbus.PDU, error) {
	packager := l.Transporter.Framing().Packager(unit)
	adu, err := packager.Encode(&request)
	if err != nil {
		return modbus.PDU{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	reply, err := l.Transporter.SendContext(ctx, adu)
	if err != nil {
		return modbus.PDU{}, err
	}
	pdu, err := packager.Decode(reply)
	if err != nil {
		return modbus.PDU{}, err
	}
	return *pdu, nil
}

// refusal is the exception that a device answers a read with.
type refusal struct{ code byte }

func (r *refusal) Error() string {
	return fmt.Sprintf("exception %02d (%s)", r.code, modbus.ExceptionName(r.code))
}

// silent is the code of a hole where the device does not answer at all.
const silent byte = 0

// refused returns the exception code of an error, [silent] if it is none.
func refused(err error) byte {
	var r *refusal
	if errors.As(err, &r) {
		return r.code
	}
	return silent
}

// passing are the exceptions that say nothing about the addresses.
var passing = map[byte]bool{
	modbus.Acknowledge: true, modbus.ServerDeviceBusy: true,
	modbus.GatewayPathUnavailable: true, modbus.GatewayTargetNoResponse: true,
}

// read returns the contents of a span, coils as 0 or 1. The error is a *refusal if
// the device answered with an exception that is about these addresses.
func (r *Recorder) read(ctx context.Context, s modbus.Span) ([]uint16, error) {
	r.requests++
	request := modbus.ReadRequest(s.Table.ReadFunction(), s.Address, uint16(s.Quantity))
	reply, err := r.o.Line.Ask(ctx, r.o.Unit, request)
	if err != nil {
		return nil, err
	}
	if e := modbus.AsException(reply); e != nil {
		if passing[e.ExceptionCode] {
			return nil, fmt.Errorf("the device answers with %w", errors.New((&refusal{e.ExceptionCode}).Error()))
		}
		return nil, &refusal{e.ExceptionCode}
	}
	want := 2 * s.Quantity
	if s.Table.IsBits() {
		want = (s.Quantity + 7) / 8
	}
	if reply.FunctionCode != request.FunctionCode || len(reply.Data) != 1+want || int(reply.Data[0]) != want {
		return nil, fmt.Errorf("the reply % X does not fit the request for %d %s", reply.Data, s.Quantity, s.Table)
	}
	if !s.Table.IsBits() {
		return modbus.Registers(reply.Data[1:]), nil
	}
	values := make([]uint16, s.Quantity)
	for i, on := range modbus.Bits(reply.Data[1:], s.Quantity) {
		if on {
			values[i] = 1
		}
	}
	return values, nil
}
