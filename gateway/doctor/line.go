package doctor

import (
	"context"
	"errors"
	"time"

	"modferry/gateway/bus"
	"modferry/modbus"
	"modferry/modbus/transport"
)

// direct asks over a line of our own.
func direct(line bus.Line, timeout time.Duration) Asker {
	return func(ctx context.Context, unit byte, q modbus.PDU) (modbus.PDU, error) {
		packager := line.Framing().Packager(unit)
		adu, err := packager.Encode(&q)
		if err != nil {
			return modbus.PDU{}, err
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		reply, err := line.SendContext(ctx, adu)
		if err != nil {
			return modbus.PDU{}, err
		}
		if err := packager.Verify(adu, reply); err != nil {
			return modbus.PDU{}, err
		}
		pdu, err := packager.Decode(reply)
		if err != nil {
			return modbus.PDU{}, err
		}
		return *pdu, nil
	}
}

func isUnavailable(err error) bool {
	var failed *transport.Error
	return errors.As(err, &failed) && failed.Kind == transport.Unavailable
}
