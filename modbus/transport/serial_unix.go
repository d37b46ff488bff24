//go:build linux || darwin

package transport

import (
	"errors"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// claim opens the port and locks it. TIOCEXCL, which the serial library sets
// afterwards, keeps out programs that do not look at locks, but never root.
func claim(path string) (*os.File, error) {
	var fd int
	err := uninterrupted(func() (err error) {
		fd, err = unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = uninterrupted(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if err != nil {
		_ = unix.Close(fd)
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = unix.EBUSY
		}
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

func uninterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// portGroup returns the group that may use the port.
func portGroup(path string) string {
	var stat syscall.Stat_t
	if syscall.Stat(path, &stat) == nil {
		if group, err := user.LookupGroupId(strconv.Itoa(int(stat.Gid))); err == nil && group.Name != "root" {
			return group.Name
		}
	}
	return "dialout"
}
