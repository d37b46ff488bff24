package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxBody is the size of the largest body that is read.
const maxBody = 1 << 20

// answerTimeout is how long an answer may take to be taken.
const answerTimeout = 30 * time.Second

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
	return answer{status, problem{bounded(fmt.Sprintf(format, args...))}}
}

// wrong is the answer to a request that cannot be carried out as it is.
func wrong(err error) answer {
	if errors.Is(err, errTooLarge) {
		return problemf(http.StatusRequestEntityTooLarge, "%v", err)
	}
	return problemf(http.StatusBadRequest, "%s", oneLine(err))
}

func ok(body any) answer { return answer{http.StatusOK, body} }

var done = answer{status: http.StatusNoContent}

// write writes an answer; who does not take it in time is gone.
func write(w http.ResponseWriter, a answer) {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(answerTimeout)) // a test's has none
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	var b []byte
	if a.body != nil {
		a.status, b = encode(a)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(b) // whoever asked is gone
	_ = control.Flush()
	_ = control.SetWriteDeadline(time.Time{})
}

// encode returns a status and the JSON of an answer's body.
func encode(a answer) (status int, b []byte) {
	b, err := json.Marshal(a.body)
	if err != nil {
		a.status, b = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	return a.status, append(b, '\n')
}

var errTooLarge = fmt.Errorf("the body is too large: it may have %d MiB", maxBody>>20)

// drained is how much of a body that is too large is read and thrown away: who sends
// it while nobody reads would see a broken connection, and no answer.
const drained = 64 << 20

// body returns the body of a request.
func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody && r.Header.Get("Expect") != "" {
		return nil, errTooLarge // it is not sent before it is asked for
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the body: %w", err)
	}
	if len(b) > maxBody {
		_, _ = io.CopyN(io.Discard, r.Body, drained) // what does not come in time need not
		return nil, errTooLarge
	}
	return b, control.SetReadDeadline(time.Time{})
}

// hasBody reports whether a request that needs no body says something in one; many
// programs send an empty object.
func hasBody(w http.ResponseWriter, r *http.Request) bool {
	if r.ContentLength == 0 {
		return false
	}
	b, err := body(w, r)
	b = bytes.TrimSpace(b)
	return err != nil || len(b) > 0 && string(b) != "{}"
}

// decode reads JSON that has no other keys than those of into.
func decode(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := checkValues(b, into); err != nil {
		return err
	}
	if err := d.Decode(into); err != nil {
		return inWords(err)
	}
	if err := checkKeys(b); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the body has something after its JSON: send one value")
	}
	return nil
}
