package transport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"go.bug.st/serial"
)

// SerialOptions describe a serial port. The zero values are 9600 8N1, which most
// devices are delivered with.
type SerialOptions struct {
	Path     string // such as /dev/serial/by-id/..., which stays the same when the adapter is plugged in again, or COM3
	Baud     int    // 0 = 9600
	DataBits int    // 5 to 8; 0 = 8
	Parity   string // none, even, odd, mark or space; "" = none
	StopBits int    // 1 or 2; 0 = 1

	// FrameGap is the silence before a request; 0 = what the standard asks for, see
	// [Timing]. Less is for lines with a single device, which hears no other's reply.
	FrameGap time.Duration

	// What follows is left as the driver has it unless it is set; not every driver has it.
	RS485      *RS485
	DTR, RTS   string // on or off, from opening on; "" = as it is
	LowLatency bool   // ask the driver to pass on at once what comes; where it cannot, that is logged and no error

	Log *slog.Logger // nil = nowhere
}

// DialSerial opens a serial port for itself alone: a second program that locks
// ports as well, or a second opener of this one, gets an error that says who has it.
func DialSerial(o SerialOptions) func(ctx context.Context) (Port, error) {
	return func(context.Context) (Port, error) { // opening a port does not wait
		mode, bits, err := o.mode()
		if err != nil {
			return nil, err
		}
		claimed, err := claim(o.Path)
		if err != nil {
			return nil, serialError(o.Path, err)
		}
		control, err := serial.Open(o.Path, mode)
		if err != nil {
			_ = claimed.Close()
			return nil, serialError(o.Path, err)
		}
		if err := o.apply(control, newKernel(claimed, o.Path)); err != nil {
			_, _ = control.Close(), claimed.Close()
			return nil, err
		}
		speed := timing(mode.BaudRate, bits)
		speed.Gap = o.FrameGap
		return newSerialPort(claimed, control, speed), nil
	}
}

// mode returns the settings, and the bits of a character with start, parity and stop bits.
func (o SerialOptions) mode() (mode *serial.Mode, bits int, err error) {
	mode = &serial.Mode{BaudRate: o.Baud, DataBits: o.DataBits}
	if mode.BaudRate == 0 {
		mode.BaudRate = 9600
	}
	if mode.DataBits == 0 {
		mode.DataBits = 8
	}
	if mode.BaudRate < 0 || mode.DataBits < 5 || mode.DataBits > 8 {
		return nil, 0, fmt.Errorf("serial port %s: %d baud with %d data bits is not possible", o.Path, mode.BaudRate, mode.DataBits)
	}
	bits = 1 + mode.DataBits + 1
	switch o.Parity {
	case "", "none":
		bits--
	case "even":
		mode.Parity = serial.EvenParity
	case "odd":
		mode.Parity = serial.OddParity
	case "mark":
		mode.Parity = serial.MarkParity
	case "space":
		mode.Parity = serial.SpaceParity
	default:
		return nil, 0, fmt.Errorf("serial port %s: parity %q: it must be none, even, odd, mark or space", o.Path, o.Parity)
	}
	switch o.StopBits {
	case 0, 1:
		return mode, bits + 1, nil
	case 2:
		mode.StopBits = serial.TwoStopBits
		return mode, bits + 2, nil
	}
	return nil, 0, fmt.Errorf("serial port %s: %d stop bits: it must be 1 or 2", o.Path, o.StopBits)
}

// serialError says what to do about a port that cannot be opened.
func serialError(path string, err error) error {
	var port *serial.PortError
	code := serial.PortErrorCode(-1)
	if errors.As(err, &port) {
		code = port.Code()
	}
	switch {
	case code == serial.PortNotFound, errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENODEV):
		return fmt.Errorf("there is no serial port %s%s: check the path, and that the adapter is plugged in (%w)", path, present(), err)
	case code == serial.PortBusy, errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("serial port %s is in use%s: a port has one owner, so stop the other one (%w)", path, holder(path), err)
	case code == serial.PermissionDenied, errors.Is(err, fs.ErrPermission):
		group := portGroup(path)
		return fmt.Errorf("no permission for serial port %s: add this user to the group %s (sudo usermod -aG %s USER) and log in again (%w)", path, group, group, err)
	case code == serial.InvalidSerialPort, errors.Is(err, syscall.ENOTTY):
		return fmt.Errorf("%s is not a serial port: %w", path, err)
	}
	return fmt.Errorf("cannot open serial port %s: %w", path, err)
}

// present names the ports of this machine, as far as their names give them away.
// Asking them, as some libraries do, would reset ports that are in use.
func present() string {
	const most = 4
	for _, pattern := range []string{"/dev/serial/by-id/*", "/dev/tty[UA][SC][BM]*", "/dev/cu.usb*"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return ", only " + strings.Join(found[:min(most, len(found))], ", ")
		}
	}
	return ""
}
