package httpapi

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"modferry/gateway/message"
)

// write answers with the payload as it is. A status other than 2xx says what a Modbus
// exception or the JSON in it says, too.
func (a Answer) write(w http.ResponseWriter) {
	if a.Payload == nil {
		if a.Sent {
			w.Header().Set(headerOutcome, string(a.Outcome))
			w.WriteHeader(http.StatusNoContent)
			return
		}
		refuse(w, http.StatusConflict, message.Busy, "the same request is on its way already: its answer goes to who asked first")
		return
	}
	code := a.Code
	if code == "" {
		code = codeIn(a.Payload)
	}
	if code != "" {
		w.Header().Set(headerCode, string(code))
	}
	if a.Outcome != "" {
		w.Header().Set(headerOutcome, string(a.Outcome))
	}
	write(w, status(code), a.Form, a.Payload)
}

// codeIn returns the code that a report or a JSON reply has.
func codeIn(payload []byte) message.Code {
	var said struct {
		Code  message.Code                `json:"code"`
		Error struct{ Code message.Code } `json:"error"`
	}
	if len(payload) == 0 || payload[0] != '{' || json.Unmarshal(payload, &said) != nil {
		return ""
	}
	return said.Code + said.Error.Code // there is one of them
}

func status(c message.Code) int {
	switch c {
	case "":
		return http.StatusOK
	case message.Denied:
		return http.StatusForbidden
	case message.Busy, message.Expired:
		return http.StatusServiceUnavailable
	case message.Unavailable, message.Exception:
		return http.StatusBadGateway
	case message.Timeout:
		return http.StatusGatewayTimeout
	}
	return http.StatusBadRequest
}

func write(w http.ResponseWriter, status int, form message.Form, payload []byte) {
	kind := "application/json"
	switch form {
	case message.Hex, message.ASCII, message.Line:
		kind = "text/plain; charset=utf-8"
	case message.Binary:
		kind = "application/octet-stream"
	case message.Auto, message.JSON:
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(payload) // who asked may be gone
}

// refuse answers what reaches no bus.
func refuse(w http.ResponseWriter, status int, code message.Code, text string) {
	w.Header().Set(headerCode, string(code))
	var body struct {
		Error struct {
			Code    message.Code `json:"code"`
			Message string       `json:"message"`
		} `json:"error"`
	}
	body.Error.Code, body.Error.Message = code, text
	write(w, status, message.JSON, message.Encode(body))
}

// json returns a reading within JSON: null while there is none, an object or a plain
// value as it is where that is JSON, else a text. Bytes are written as hex digits.
func (r Reading) json() json.RawMessage {
	switch {
	case r.Payload == nil:
		return json.RawMessage("null")
	case r.Form == message.Binary:
		return message.Encode(strings.ToUpper(hex.EncodeToString(r.Payload)))
	case r.Form != message.Hex && json.Valid(r.Payload):
		return bytes.Clone(r.Payload)
	}
	return message.Encode(string(r.Payload))
}
