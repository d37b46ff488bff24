package transport

import (
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"
)

// RS485 has the driver switch the direction of an RS-485 transceiver by RTS. The zero
// value is for most of them: RTS is on while sending, without delays.
type RS485 struct {
	Optional    bool          // where the driver cannot, go on: USB adapters mostly switch by themselves
	Inverted    bool          // RTS is off while sending
	DelayBefore time.Duration // from switching to the first bit; whole milliseconds, the driver takes up to 100
	DelayAfter  time.Duration // from the last bit to switching back; likewise
}

// signals are the outputs of a port besides its data.
type signals interface {
	SetDTR(on bool) error
	SetRTS(on bool) error
}

// kernel is what a driver is asked beyond speed, format and signals. The error of what
// it does not have is [errors.ErrUnsupported] or one of those that unsupported knows.
type kernel interface {
	setRS485(o RS485) error
	setLowLatency() error
}

// apply sets what the options ask of the driver, and touches nothing else: a pseudo
// terminal has none of it. A RTS that is set comes after the direction control,
// which would change it.
func (o SerialOptions) apply(port signals, driver kernel) error {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if o.RS485 != nil {
		if err := o.setRS485(driver, log); err != nil {
			return err
		}
	}
	if err := o.setSignal("DTR", o.DTR, port.SetDTR); err != nil {
		return err
	}
	if err := o.setSignal("RTS", o.RTS, port.SetRTS); err != nil {
		return err
	}
	if o.LowLatency {
		if err := driver.setLowLatency(); err != nil {
			log.Info("the driver of the serial port cannot be told that what comes is to be passed on at once: a reply may take some 16 ms longer", "port", o.Path, "error", err)
		}
	}
	return nil
}

func (o SerialOptions) setRS485(driver kernel, log *slog.Logger) error {
	switch err := driver.setRS485(*o.RS485); {
	case err == nil:
		return nil
	case unsupported(err) && o.RS485.Optional:
		log.Info("the driver of the serial port has no RS-485 control: the adapter has to switch direction by itself", "port", o.Path, "error", err)
		return nil
	case unsupported(err):
		return fmt.Errorf("the driver of serial port %s has no RS-485 control: remove rs485 if the adapter switches direction by itself, as USB adapters do, or write rs485: auto (%w)", o.Path, err)
	default:
		return fmt.Errorf("cannot set up RS-485 on serial port %s: %w", o.Path, err)
	}
}

func (o SerialOptions) setSignal(name, state string, set func(on bool) error) error {
	if state == "" {
		return nil
	}
	if state != "on" && state != "off" {
		return fmt.Errorf("serial port %s: %s %q: it must be on or off", o.Path, name, state)
	}
	if err := set(state == "on"); err != nil {
		return fmt.Errorf("serial port %s has no %s that could be switched %s: remove that option (%w)", o.Path, name, state, err)
	}
	return nil
}

// unsupported tells what a driver does not have from what it has and failed at.
func unsupported(err error) bool {
	for _, no := range []error{errors.ErrUnsupported, syscall.ENOTTY, syscall.EINVAL, syscall.ENOSYS} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}
