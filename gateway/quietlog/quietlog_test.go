package quietlog_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"modferry/gateway/quietlog"
)

func TestOneLineOfAKindInAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := quietlog.New(slog.New(slog.NewTextHandler(&out, nil)))
		lines := func() []string {
			defer out.Reset()
			return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		}
		for n := range 3000 {
			log.Warn("flood", "n", n)
		}
		log.Warn("other")
		if got := lines(); len(got) != 2 || !strings.Contains(got[0], "msg=flood n=0") || !strings.Contains(got[1], "msg=other") {
			t.Errorf("at first %q", got)
		}
		time.Sleep(quietlog.Every)
		log.Warn("flood", "n", "late")
		log.Warn("other")
		if got := lines(); len(got) != 2 || !strings.Contains(got[0], "n=late not_shown_before=2999") || strings.Contains(got[1], "not_shown") {
			t.Errorf("a minute later %q", got)
		}
	})
}
