package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxBody is the size of the largest body that is read.
const maxBody = 1 << 20

// answer is what a request gets.
type answer struct {
	status int
	body   any // nil: none
}

// problem is the body of an answer to a request that is not right.
type problem struct {
	Error string `json:"error"` // one sentence
}

func problemf(status int, format string, args ...any) answer {
	return answer{status, problem{fmt.Sprintf(format, args...)}}
}

// wrong is the answer to a request that cannot be carried out as it is.
func wrong(err error) answer { return problemf(http.StatusBadRequest, "%s", oneLine(err)) }

func ok(body any) answer { return answer{http.StatusOK, body} }

var done = answer{status: http.StatusNoContent}

func write(w http.ResponseWriter, a answer) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	b, err := json.Marshal(a.body)
	if err != nil {
		a.status, b = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(append(b, '\n')) // whoever asked is gone
}

// body returns the body of a request.
func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("cannot read the body, which may have 1 MiB: %w", err)
	}
	return b, control.SetReadDeadline(time.Time{})
}

// decode reads JSON that has no other keys than those of into.
func decode(b []byte, into any) error {
	d := json.NewDecoder(newReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return inWords(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the body has something after its JSON: send one value")
	}
	return nil
}
