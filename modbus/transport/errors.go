package transport

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// Kind is what failed.
type Kind uint8

// The kinds.
const (
	Timeout     Kind = iota + 1 // no reply in time, or the caller's context was cancelled
	Unavailable                 // no path: port gone, connection refused, reset or closed
	Closed                      // the transporter was closed
	Invalid                     // what was to be sent is not a request frame of the framing; nothing was sent
)

func (k Kind) String() string {
	switch k {
	case Timeout:
		return "timeout"
	case Unavailable:
		return "unavailable"
	case Closed:
		return "closed"
	case Invalid:
		return "invalid"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Error says what failed and whether the request may have left.
type Error struct {
	Kind Kind
	Sent bool  // true as soon as one byte may have been written
	Cut  bool  // of a Timeout: the reply had begun and was still coming
	Err  error // what happened, as a sentence
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Kind.String()
	}
	return e.Err.Error()
}

// Unwrap returns what happened.
func (e *Error) Unwrap() error { return e.Err }

var (
	errClosed     = errors.New("the line was closed")
	errNoAnswer   = errors.New("nothing came back on the connection; it is opened anew")
	errNeverQuiet = errors.New("the line is never quiet, so nothing was sent: look for another client on it or a wrong baud rate")
	errBusy       = errors.New("the line was busy with other requests until the timeout; nothing was sent")
)

// afterSending marks an error of a call whose request may have left.
func afterSending(err error) error {
	var e *Error
	if errors.As(err, &e) {
		e.Sent = true
	}
	return err
}

// reason strips what the address already says from a dial error, and adds to the
// errors that people meet most what to do about them.
func reason(err error) error {
	advice := tlsAdvice(err)
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var slow net.Error
	switch {
	case advice != "":
	case errors.Is(err, syscall.ECONNREFUSED):
		advice = "check the port, and that the device's Modbus server is on"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		advice = "check the address, the cable and the network"
	case errors.As(err, &slow) && slow.Timeout():
		advice = "check the address, and that the device is on"
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, advice)
}
