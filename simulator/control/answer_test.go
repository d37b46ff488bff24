package control

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"modferry/simulator"
)

// deadlines is an answer on its way that tells which deadlines it was given.
type deadlines struct {
	*httptest.ResponseRecorder
	at      time.Time
	written time.Time // the deadline while it was written
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.at = at
	return nil
}

func (d *deadlines) Write(b []byte) (int, error) {
	d.written = d.at
	return d.ResponseRecorder.Write(b)
}

// Who asks and then takes nothing holds nothing for ever, and the next request on the
// same connection has its own time.
func TestAnswersHaveADeadline(t *testing.T) {
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	write(w, ok(map[string]int{"a": 1}))
	if left := time.Until(w.written); left <= 0 || left > answerTimeout || !w.at.IsZero() || w.Body.String() != "{\"a\":1}\n" {
		t.Errorf("written with %v left, then %v: %s", left, w.at, w.Body)
	}
}

// HEAD is answered at once, and is no stream.
func TestHeadOfEvents(t *testing.T) {
	b := newBench(t, simulator.Options{}, "")
	for range maxStreams + 1 {
		answer, err := b.client.Head(b.c.URL() + "/events")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%d %v", answer.StatusCode, answer.Header)
		}
	}
	if len(b.c.streams) > 0 {
		t.Errorf("%d streams", len(b.c.streams))
	}
}
