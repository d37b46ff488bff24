package transport

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// secondProgram is the variable that makes the test binary a program which tries to
// open the serial port that the variable names.
const secondProgram = "TRANSPORT_TEST_OPEN"

func TestMain(m *testing.M) {
	if path := os.Getenv(secondProgram); path != "" {
		os.Exit(openAsSecondProgram(path))
	}
	goleak.VerifyTestMain(m)
}

func openAsSecondProgram(path string) int {
	s := NewStream(StreamOptions{Open: DialSerial(SerialOptions{Path: path})})
	defer s.Close()
	if err := s.Connect(context.Background()); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// wantKind fails the test unless err is an *Error of that kind.
func wantKind(t *testing.T, err error, kind Kind, sent bool) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != kind || e.Sent != sent {
		t.Fatalf("error %v (%#v), want %v with Sent=%v", err, err, kind, sent)
	}
}

// eventually polls until ok or the limit has passed.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
