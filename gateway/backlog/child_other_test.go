//go:build !linux

package backlog

const (
	childDir  = "MODFERRY_BACKLOG_DIR"
	childRole = "MODFERRY_BACKLOG_ROLE"
)

func child(string, string) int { return 1 } // the tests that start children are for Linux
