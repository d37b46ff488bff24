package scan

import (
	"errors"
	"fmt"

	"modferry/gateway/message"
	"modferry/gateway/remote"
	"modferry/modbus"
)

const (
	basicObjects   = 1 // read device id codes [App 6.21]
	regularObjects = 2
	maxPages       = 8 // of objects
)

// identify asks a unit what it is, which many do not tell.
func (e *explorer) identify() error {
	if err := e.objects(); err != nil {
		return err
	}
	reply, ok, err := e.inquire(modbus.PDU{FunctionCode: modbus.ReportServerID})
	if ok && len(reply.Data) > 1 {
		e.unit.Server = reply.Data[1:]
	}
	return err
}

// objects reads those of function 43/14: the regular ones where there are some,
// otherwise the basic ones.
func (e *explorer) objects() error {
	code := byte(regularObjects)
	next := byte(0)
	for range maxPages {
		reply, ok, err := e.inquire(modbus.PDU{FunctionCode: modbus.EncapsulatedInterface, Data: []byte{modbus.ReadDeviceIdentification, code, next}})
		if err != nil {
			return err
		}
		objects, more, following, good := parseObjects(reply.Data)
		switch {
		case (!ok || !good) && code == regularObjects && e.unit.Objects == nil && !e.noFunction:
			code = basicObjects // some know no other
			continue
		case !ok || !good:
			return nil
		}
		if e.unit.Objects == nil {
			e.unit.Objects = map[byte]string{}
			delete(e.unit.Refused, modbus.EncapsulatedInterface)
		}
		for id, text := range objects {
			e.unit.Objects[id] = text
		}
		if !more || following <= next {
			return nil
		}
		next = following
	}
	return nil
}

// parseObjects reads a reply: MEI type, code, conformity, more follows, next id, count, objects.
func parseObjects(d []byte) (objects map[byte]string, more bool, next byte, ok bool) {
	const head = 6
	if len(d) < head || d[0] != modbus.ReadDeviceIdentification {
		return nil, false, 0, false
	}
	objects = map[byte]string{}
	rest := d[head:]
	for range d[5] {
		if len(rest) < 2 || len(rest) < 2+int(rest[1]) {
			return nil, false, 0, false
		}
		objects[rest[0]] = string(rest[2 : 2+int(rest[1])])
		rest = rest[2+int(rest[1]):]
	}
	return objects, d[3] == 0xFF, d[4], true
}

// inquire asks with a function that a unit, or the rules of a gateway, may not have, and
// notes why there is no answer.
func (e *explorer) inquire(request modbus.PDU) (reply modbus.PDU, ok bool, err error) {
	e.noFunction = false
	reply, exception, err := e.ask(request)
	why := ""
	var refused *remote.Refused
	switch {
	case errors.Is(err, errSpent):
		return reply, false, nil
	case err != nil && isSilence(err):
		why, e.noFunction = "it does not answer", true
	case errors.As(err, &refused) && (refused.Code == message.Denied || refused.Code == message.Invalid):
		why, e.noFunction = "the gateway does not allow it: "+refused.Message, true
	case err != nil:
		return reply, false, err
	case exception != nil:
		why = fmt.Sprintf("exception %02d (%s)", exception.ExceptionCode, modbus.ExceptionName(exception.ExceptionCode))
		e.noFunction = exception.ExceptionCode == modbus.IllegalFunction
	default:
		return reply, true, nil
	}
	e.unit.Refused[request.FunctionCode] = why
	return reply, false, nil
}
