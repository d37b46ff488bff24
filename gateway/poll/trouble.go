package poll

import (
	"errors"
	"fmt"

	"modferry/gateway/bus"
	"modferry/modbus"
	"modferry/modbus/transport"
)

// trouble is what the log says of a device, so that it says each thing once.
type trouble struct {
	kind       string        // of why the device cannot be read; "" = it answers
	exceptions map[hole]byte // what it answers with an exception, and which
}

// logTrouble tells of what became of a read. A device that answers with an exception is
// well: what is told is which readings it does not give.
func (p *Poller) logTrouble(r *Read, err error) {
	t := &p.trouble
	switch {
	case isHeard(err) && err != nil:
		p.logException(r, err)
	case r.alone && err == nil:
		return
	case err == nil:
		delete(t.exceptions, r.place())
	}
	kind := ""
	if !isHeard(err) {
		kind = kindOf(err)
	}
	if kind == t.kind {
		return
	}
	if t.kind = kind; kind != "" {
		p.o.Log.Warn("cannot read the device", "error", described(err))
	} else {
		p.o.Log.Info("the device answers")
	}
}

// logException tells of an exception once, until the read succeeds. What a device
// refuses joined or lastingly is told by tellLacks.
func (p *Poller) logException(r *Read, err error) {
	code, place := exceptionOf(err), r.place()
	if isRefusal(err) && (r.alone || len(r.spans) > 1) || p.trouble.exceptions[place] == code {
		return
	}
	if p.trouble.exceptions == nil {
		p.trouble.exceptions = map[hole]byte{}
	}
	p.trouble.exceptions[place] = code
	var names []string
	for _, i := range r.Readings {
		names = append(names, p.o.Device.Readings[i].Name)
	}
	p.o.Log.Warn("the device answers a read with an exception", "readings", names, "error", described(err))
}

// described is err in words; an exception names the function of the request, whatever
// bit its reply had set in that.
func described(err error) error {
	var e *modbus.Exception
	if !errors.As(err, &e) {
		return err
	}
	return fmt.Errorf("exception %d (%s) to function %d: %s", e.ExceptionCode, modbus.ExceptionName(e.ExceptionCode), e.FunctionCode&0x7F, modbus.ExceptionHint(e.ExceptionCode))
}

// kindOf tells kinds of trouble apart whose texts go on changing.
func kindOf(err error) string {
	var failed *transport.Error
	switch {
	case errors.Is(err, bus.ErrResting):
		return transport.Timeout.String() // it rests because of that
	case errors.As(err, &failed):
		return failed.Kind.String()
	}
	return err.Error()
}
