//go:build !linux

package journal

const (
	childDir  = "MODFERRY_JOURNAL_DIR"
	childRole = "MODFERRY_JOURNAL_ROLE"
)

func child(string, string) int { return 1 } // the tests that start children are for Linux
