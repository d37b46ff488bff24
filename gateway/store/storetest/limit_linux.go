package storetest

import (
	"os/signal"
	"syscall"
	"testing"
)

// NeedLimit skips the test where no size of files can be limited.
func NeedLimit(testing.TB) {}

// LimitFiles makes the disk of this process, a child, full: no file grows beyond so
// many bytes, until restore is called.
func LimitFiles(bytes uint64) (restore func() error, err error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return nil, err
	}
	signal.Ignore(syscall.SIGXFSZ)
	small := limit
	small.Cur = bytes
	return func() error { return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit) },
		syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small)
}
