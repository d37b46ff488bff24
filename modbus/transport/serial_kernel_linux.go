package transport

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// linuxTTY asks a Linux driver by its ioctls.
type linuxTTY struct {
	ioctl   func(request uint, arg unsafe.Pointer) error
	latency string // file with the milliseconds for which an FTDI adapter collects bytes; other drivers have none
}

func newKernel(claimed *os.File, path string) kernel {
	return linuxTTY{
		ioctl: func(request uint, arg unsafe.Pointer) error {
			raw, err := claimed.SyscallConn()
			if err != nil {
				return err
			}
			var errno syscall.Errno
			err = raw.Control(func(fd uintptr) {
				_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(arg))
			})
			if errno != 0 {
				return errno
			}
			return err
		},
		latency: latencyFile("/sys/class/tty", path),
	}
}

// latencyFile is where the FTDI driver has the setting of the port at path, which may be a link.
func latencyFile(ttys, path string) string {
	if port, err := filepath.EvalSymlinks(path); err == nil {
		path = port
	}
	return filepath.Join(ttys, filepath.Base(path), "device", "latency_timer")
}

// rs485 is struct serial_rs485 of linux/serial.h.
type rs485 struct {
	flags                   uint32
	delayBefore, delayAfter uint32 // ms
	_                       [5]uint32
}

const (
	rs485Enabled      = 1 << 0
	rs485RTSOnSend    = 1 << 1
	rs485RTSAfterSend = 1 << 2
)

// setRS485 keeps what else the driver has set up, such as receiving its own echo. A
// driver answers with what it made of the settings, which can be nothing.
func (k linuxTTY) setRS485(o RS485) error {
	var s rs485
	if err := k.ioctl(unix.TIOCGRS485, unsafe.Pointer(&s)); err != nil {
		return err
	}
	s.flags &^= rs485RTSOnSend | rs485RTSAfterSend
	s.flags |= rs485Enabled | rs485RTSOnSend
	if o.Inverted {
		s.flags ^= rs485RTSOnSend | rs485RTSAfterSend
	}
	s.delayBefore, s.delayAfter = milliseconds(o.DelayBefore), milliseconds(o.DelayAfter)
	if err := k.ioctl(unix.TIOCSRS485, unsafe.Pointer(&s)); err != nil {
		return err
	}
	if s.flags&rs485Enabled == 0 {
		return fmt.Errorf("it left it off: %w", errors.ErrUnsupported)
	}
	return nil
}

func milliseconds(d time.Duration) uint32 { return uint32(d.Milliseconds()) }

// serialStruct is struct serial_struct of linux/serial.h; int and pointer sizes are the platform's.
type serialStruct struct {
	kind, line, port, irq, flags int32
	fifo, divisor, base          int32
	closeDelay                   uint16
	ioType, _                    byte
	hub6                         int32
	closingWait, closingWait2    uint16
	memoryBase                   uintptr
	registerShift                uint16
	portHigh                     uint32
	mapBase                      uintptr
}

const asyncLowLatency = 1 << 13

// setLowLatency sets the driver's flag, and the timer of an FTDI adapter, whose
// driver does not take the flag in all versions. One of them is enough.
func (k linuxTTY) setLowLatency() error {
	flag, timer := k.setLatencyFlag(), k.setLatencyTimer()
	if flag == nil || timer == nil {
		return nil
	}
	return errors.Join(flag, timer)
}

func (k linuxTTY) setLatencyFlag() error {
	var s serialStruct
	if err := k.ioctl(unix.TIOCGSERIAL, unsafe.Pointer(&s)); err != nil {
		return fmt.Errorf("no low latency flag: %w", err)
	}
	if s.flags&asyncLowLatency != 0 {
		return nil
	}
	s.flags |= asyncLowLatency
	return k.ioctl(unix.TIOCSSERIAL, unsafe.Pointer(&s))
}

func (k linuxTTY) setLatencyTimer() error {
	now, err := os.ReadFile(k.latency)
	if err != nil {
		return fmt.Errorf("no latency timer: %w", err)
	}
	if strings.TrimSpace(string(now)) == "1" {
		return nil
	}
	return os.WriteFile(k.latency, []byte("1"), 0)
}
