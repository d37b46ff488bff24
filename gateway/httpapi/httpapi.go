// Package httpapi is for programs that speak HTTP and not MQTT. What they send is what
// MQTT apps publish, and what they get is what those are answered:
//
//	POST /api/bus/<bus>/request           a request as the body, its reply as the body
//	POST /api/bus/<bus>/request/<client>  likewise, as this client
//	GET  /api/device/<device>/<reading>   what the topic of a reading says
//	GET  /api/readings                    all of it as JSON, by device and reading
//
// Who may ask at all is decided in front of this package, see [Options.User]; what a
// client may write is decided behind it, by the rules of the bus.
//
// Limits: a request is waited for [maxWait] long, its body has at most [maxBody] bytes.
package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"modferry/gateway/message"
)

const (
	maxBody = 64 << 10 // of which a request has far less; more is not even read to say so
	maxWait = 2 * time.Minute
)

// Headers of an answer, for those whose reply is a frame.
const (
	headerCode    = "Modferry-Code"    // as JSON has it: denied, timeout, ...
	headerOutcome = "Modferry-Outcome" // of a write: done, refused, unknown
)

// ErrNoBus is the error of [Gateway] for a bus that it does not have.
var ErrNoBus = errors.New("there is no bus of this name: GET /api/buses has them")

// Gateway is what there is to be asked.
type Gateway interface {
	// Ask sends a request of a client on its way. answer is called exactly once, unless
	// Ask returns [ErrNoBus]; it must not block.
	Ask(bus, client string, payload []byte, answer func(Answer)) error
	// Readings returns what the topics of the readings that are wanted say, in the order
	// of the configuration.
	Readings(wanted func(device, reading string) bool) []Reading
}

// Answer is what became of a request.
type Answer struct {
	Payload []byte          // as it would be published; nil = nothing is to be said
	Form    message.Form    // of the payload; Auto for what is JSON in any case
	Code    message.Code    // "" = a normal reply, or the payload has the code
	Outcome message.Outcome // of a write
	Sent    bool            // there is no payload because nobody answers a broadcast
}

// Reading is what the topic of a reading says.
type Reading struct {
	Device, Name string
	Payload      []byte       // nil = nothing yet
	Form         message.Form // JSON, Hex, Binary, or ASCII for a plain value
}

// Options describe the API.
type Options struct {
	Gateway Gateway
	User    func(*http.Request) string // who has logged in, "" where nobody has to; nil = nobody has to
}

type api struct{ Options }

// New returns a handler of the paths above.
func New(o Options) http.Handler {
	if o.User == nil {
		o.User = func(*http.Request) string { return "" }
	}
	a := &api{o}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/bus/{bus}/request", a.request)
	mux.HandleFunc("POST /api/bus/{bus}/request/{client}", a.request)
	mux.HandleFunc("GET /api/device/{device}/{reading}", a.reading)
	mux.HandleFunc("GET /api/readings", a.readings)
	return mux
}

func (a *api) request(w http.ResponseWriter, r *http.Request) {
	client, ok := a.client(w, r)
	if !ok {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, message.TooLarge, "the body is no request: those have at most 1024 bytes")
		return
	}
	end := time.Now().Add(maxWait)
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(end) // the server's own would end the wait; where there is none nothing is lost
	_ = c.SetWriteDeadline(end.Add(time.Second))
	answers := make(chan Answer, 1)
	if err := a.Gateway.Ask(r.PathValue("bus"), client, body, func(answer Answer) { answers <- answer }); err != nil {
		refuse(w, http.StatusNotFound, message.Invalid, err.Error())
		return
	}
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	select {
	case answer := <-answers:
		answer.write(w)
	case <-timer.C:
		refuse(w, http.StatusGatewayTimeout, message.Timeout, "there is no answer yet, and nobody waits for it any more: read before you write again")
	case <-r.Context().Done():
	}
}

// client returns as whom a request is made: as who has logged in, or else as the path says.
func (a *api) client(w http.ResponseWriter, r *http.Request) (name string, ok bool) {
	name, user := r.PathValue("client"), a.User(r)
	switch {
	case name != "" && !message.ValidName(name):
		refuse(w, http.StatusBadRequest, message.Invalid, "the client in the path is no name: use up to 64 letters, digits, _ and -")
	case user == "":
		return name, true
	case name != "" && name != user:
		refuse(w, http.StatusForbidden, message.Denied, "you have logged in as "+user+" and cannot ask as "+name+": leave the name out")
	default:
		return user, true
	}
	return "", false
}

func (a *api) reading(w http.ResponseWriter, r *http.Request) {
	found := a.Gateway.Readings(func(device, reading string) bool {
		return device == r.PathValue("device") && reading == r.PathValue("reading")
	})
	switch {
	case len(found) == 0:
		refuse(w, http.StatusNotFound, message.Invalid, "there is no reading of this name: GET /api/readings has them")
	case found[0].Payload == nil:
		refuse(w, http.StatusServiceUnavailable, message.Unavailable, "this reading has no value yet: try again in a moment")
	default:
		write(w, http.StatusOK, found[0].Form, found[0].Payload)
	}
}

func (a *api) readings(w http.ResponseWriter, _ *http.Request) {
	all := map[string]map[string]json.RawMessage{}
	for _, r := range a.Gateway.Readings(func(string, string) bool { return true }) {
		if all[r.Device] == nil {
			all[r.Device] = map[string]json.RawMessage{}
		}
		all[r.Device][r.Name] = r.json()
	}
	write(w, http.StatusOK, message.JSON, message.Encode(all))
}
