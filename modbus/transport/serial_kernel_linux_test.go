package transport

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fakeTTY answers the ioctls of a driver that has RS-485 control and the latency
// flag, as the kernel documents them: each structure is copied as its bytes.
type fakeTTY struct {
	rs485  rs485
	serial serialStruct
	keeps  uint32 // flags of RS-485 that the driver can do
	sets   int
	err    error
}

func (f *fakeTTY) ioctl(request uint, arg unsafe.Pointer) error {
	if f.err != nil {
		return f.err
	}
	switch request {
	case unix.TIOCGRS485:
		*(*rs485)(arg) = f.rs485
	case unix.TIOCSRS485:
		f.rs485 = *(*rs485)(arg)
		f.rs485.flags &= f.keeps
		*(*rs485)(arg) = f.rs485
		f.sets++
	case unix.TIOCGSERIAL:
		*(*serialStruct)(arg) = f.serial
	case unix.TIOCSSERIAL:
		f.serial = *(*serialStruct)(arg)
		f.sets++
	default:
		return syscall.ENOTTY
	}
	return nil
}

// The structures have the size and fields of the kernel's.
func TestKernelStructures(t *testing.T) {
	if n := unsafe.Sizeof(rs485{}); n != 32 {
		t.Errorf("serial_rs485 has %d bytes", n)
	}
	want := map[uintptr]uintptr{8: 72, 4: 60}[unsafe.Sizeof(uintptr(0))]
	if n := unsafe.Sizeof(serialStruct{}); n != want {
		t.Errorf("serial_struct has %d bytes, want %d", n, want)
	}
	if at := unsafe.Offsetof(serialStruct{}.flags); at != 16 {
		t.Errorf("flags are at %d", at)
	}
}

func TestKernelRS485(t *testing.T) {
	const duplex = 1 << 4 // SER_RS485_RX_DURING_TX, which is not ours
	for name, c := range map[string]struct {
		o     RS485
		flags uint32
	}{
		"as it comes": {RS485{DelayBefore: 2 * time.Millisecond, DelayAfter: 3 * time.Millisecond}, duplex | 0b011},
		"inverted":    {RS485{Inverted: true, DelayBefore: 2 * time.Millisecond, DelayAfter: 3 * time.Millisecond}, duplex | 0b101},
	} {
		f := &fakeTTY{keeps: ^uint32(0), rs485: rs485{flags: duplex | 0b100, delayAfter: 99}}
		if err := (linuxTTY{ioctl: f.ioctl}).setRS485(c.o); err != nil {
			t.Fatal(err)
		}
		if want := (rs485{flags: c.flags, delayBefore: 2, delayAfter: 3}); f.rs485 != want {
			t.Errorf("%s: %+v, want %+v", name, f.rs485, want)
		}
	}
	if err := (linuxTTY{ioctl: (&fakeTTY{}).ioctl}).setRS485(RS485{}); !unsupported(err) {
		t.Errorf("a driver that takes the settings and leaves RS-485 off: %v", err)
	}
}

func TestKernelLowLatency(t *testing.T) {
	timer := filepath.Join(t.TempDir(), "ttyUSB0", "device", "latency_timer")
	if err := os.MkdirAll(filepath.Dir(timer), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		driver fakeTTY
		timer  string // "" = none
		ok     bool
		sets   int
	}{
		"flag only":   {timer: "", ok: true, sets: 1},
		"flag is set": {driver: fakeTTY{serial: serialStruct{flags: asyncLowLatency}}, ok: true},
		"timer only":  {driver: fakeTTY{err: syscall.ENOTTY}, timer: "16\n", ok: true},
		"timer is 1":  {driver: fakeTTY{err: syscall.ENOTTY}, timer: "1\n", ok: true},
		"both":        {timer: "16\n", ok: true, sets: 1},
		"neither":     {driver: fakeTTY{err: syscall.ENOTTY}},
	} {
		t.Run(name, func(t *testing.T) {
			_ = os.Remove(timer)
			if c.timer != "" {
				if err := os.WriteFile(timer, []byte(c.timer), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			f := &c.driver
			f.serial.base = 115200
			err := (linuxTTY{ioctl: f.ioctl, latency: timer}).setLowLatency()
			if (err == nil) != c.ok || f.sets != c.sets || f.serial.base != 115200 {
				t.Errorf("%v, set %d times, %+v", err, f.sets, f.serial)
			}
			if c.ok && f.err == nil && f.serial.flags != asyncLowLatency {
				t.Errorf("flags %x", f.serial.flags)
			}
			if got, _ := os.ReadFile(timer); c.timer != "" && strings.TrimSpace(string(got)) != "1" {
				t.Errorf("the timer is %q", got)
			}
		})
	}
}

// The setting is found behind the link that the configuration names.
func TestLatencyFile(t *testing.T) {
	dir := t.TempDir()
	port, link := filepath.Join(dir, "ttyUSB7"), filepath.Join(dir, "by-id")
	if err := errors.Join(os.WriteFile(port, nil, 0o600), os.Symlink(port, link)); err != nil {
		t.Fatal(err)
	}
	if got := latencyFile("/sys/class/tty", link); got != "/sys/class/tty/ttyUSB7/device/latency_timer" {
		t.Error(got)
	}
}

// A pseudo terminal has neither modem lines nor RS-485 control: with the options it is
// an error or a hint, as asked, and every other test of this package shows that it is
// none without them.
func TestDriverOptionsOnPty(t *testing.T) {
	for want, o := range map[string]SerialOptions{
		"has no RS-485 control":                 {RS485: &RS485{}},
		"has no DTR that could be switched on":  {DTR: "on"},
		"has no RTS that could be switched off": {RTS: "off"},
		"":                                      {RS485: &RS485{Optional: true}, LowLatency: true},
	} {
		_, slave := openPty(t)
		o.Path = slave.Name()
		port, err := DialSerial(o)(context.Background())
		if want == "" && err == nil {
			err = port.Close()
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: %v", o, err)
		}
		_ = slave.Close()
		if n := openDescriptors(o.Path); n > 0 {
			t.Errorf("%+v: %d descriptors are left open", o, n)
		}
	}
}

// The settings that a pseudo terminal keeps are those that were asked for. It has 8
// data bits and no parity whatever is asked; that a UART sends 7 and a parity bit only
// real hardware can show.
func TestSerialSettings(t *testing.T) {
	for baud, o := range map[uint32]SerialOptions{
		1200:   {Baud: 1200, DataBits: 7, Parity: "even"},
		9600:   {},
		19200:  {Baud: 19200, Parity: "even"},
		115200: {Baud: 115200, StopBits: 2},
		250000: {Baud: 250000}, // none of those that termios has a name for
	} {
		master, slave := openPty(t)
		o.Path = slave.Name()
		port, err := DialSerial(o)(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		s, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS2)
		if err != nil {
			t.Fatal(err)
		}
		if two := s.Cflag&unix.CSTOPB != 0; s.Ospeed != baud || two != (o.StopBits == 2) {
			t.Errorf("%+v: %d baud, 2 stop bits %v", o, s.Ospeed, two)
		}
		if raw := s.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0 && s.Iflag&(unix.IXON|unix.ICRNL|unix.ISTRIP) == 0; !raw {
			t.Errorf("%+v: the terminal edits what passes: %+v", o, s)
		}
		_ = port.Close()
		_ = slave.Close()
		_ = master.Close()
	}
}
