package journal

const (
	childDir  = "MODFERRY_JOURNAL_DIR"
	childRole = "MODFERRY_JOURNAL_ROLE"
)

func child(dir, role string) int { return 0 }
