package message

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// maxShown bounds how much of a payload an error report repeats, in bytes of text.
const maxShown = 256

// Error says why a payload is not a request that can be taken.
type Error struct {
	Code      Code
	Message   string          // one sentence: what, where, what to do; "" = the code's own
	ID        json.RawMessage // of the JSON request, as it was written; nil = none was found
	Exception byte            // JSON fields that fit no frame: 1 function, 2 address, 3 quantity or value; else 0

	write  bool   // the function is known, and writes
	cookie string // of a Line
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.text() }

// IsWrite reports whether the message is known to have been meant as a write.
func (e *Error) IsWrite() bool { return e.write }

func (e *Error) text() string {
	if e.Message == "" {
		return e.Code.sentence()
	}
	return e.Message
}

// Report returns the JSON for the error topic: what was wrong with the payload
// that arrived on topic at the time. A payload that is not printable text is shown
// as hex digits; a long one is cut.
func (e *Error) Report(payload []byte, topic string, at time.Time) []byte {
	return Encode(struct {
		Code    Code   `json:"code"`
		Message string `json:"message"`
		Payload string `json:"payload"`
		Topic   string `json:"topic"`
		Time    string `json:"time"`
	}{e.Code, e.text(), shown(payload), topic, at.UTC().Format(TimeFormat)})
}

// Reply returns the reply to a JSON request with an id or a line with a cookie, nil if there was none.
// A request that could have written was refused: nothing was sent.
func (e *Error) Reply() []byte {
	if e.cookie != "" {
		return lineError(e.cookie, e.text())
	}
	if e.ID == nil {
		return nil
	}
	reply := reply{ID: e.ID, Error: &replyError{e.Code, e.text(), e.Exception}}
	if e.write {
		reply.Outcome = Refused
	}
	return Encode(reply)
}

// shown returns a payload as text, at most maxShown bytes and an ellipsis.
func shown(payload []byte) string {
	text := string(payload)
	if !isText(payload) {
		text = strings.ToUpper(hex.EncodeToString(payload[:min(len(payload), maxShown)]))
	}
	if len(text) <= maxShown {
		return text
	}
	end := maxShown
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
