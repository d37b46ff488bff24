package metrics

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// begun is when the process began, as far as this package knows.
var begun = time.Now()

// resident returns the memory of the process in bytes, -1 where that is not known.
func resident() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(text)
	if err != nil || len(fields) < 2 {
		return -1
	}
	pages, err := strconv.ParseFloat(string(fields[1]), 64)
	if err != nil {
		return -1
	}
	return pages * float64(os.Getpagesize())
}
