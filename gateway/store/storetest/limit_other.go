//go:build !linux

package storetest

import (
	"errors"
	"testing"
)

// NeedLimit skips the test where no size of files can be limited.
func NeedLimit(t testing.TB) { t.Skip("fills a disk, which is done on Linux only") }

// LimitFiles makes the disk of this process, a child, full.
func LimitFiles(uint64) (restore func() error, err error) {
	return nil, errors.New("cannot limit the size of files")
}
