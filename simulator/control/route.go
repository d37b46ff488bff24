package control

import (
	_ "embed"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"modferry/simulator"
)

// document describes all routes. A test holds it against them.
//
//go:embed openapi.json
var document []byte

// route is a method of a path, the parameters that may follow its '?', and what it does.
type route struct {
	method, path string
	query        []string
	serve        func(q *request) answer
}

// request is one request as routes see it.
type request struct {
	*http.Request
	w     http.ResponseWriter
	query url.Values
}

func (c *Server) routes() []route {
	filter := []string{"since", "unit", "function", "address", "face", "answered", "fault"}
	return []route{
		{"GET", "/status", nil, c.status},
		{"GET", "/devices", nil, c.devices},
		{"GET", "/devices/{unit}", nil, c.device(showDevice)},
		{"POST", "/devices/{unit}/power-cycle", nil, c.device(c.cycleOne)},
		{"GET", "/devices/{unit}/values", nil, c.device(showValues)},
		{"PUT", "/devices/{unit}/values", nil, c.device(c.putValues)},
		{"GET", "/devices/{unit}/values/{name}", nil, c.device(showValue)},
		{"PUT", "/devices/{unit}/values/{name}", nil, c.device(c.putValue)},
		{"DELETE", "/devices/{unit}/values/{name}", nil, c.device(c.releaseValue)},
		{"GET", "/devices/{unit}/tables/{table}/{address}", []string{"quantity"}, c.device(showTable)},
		{"PUT", "/devices/{unit}/tables/{table}/{address}", nil, c.device(c.putTable)},
		{"DELETE", "/devices/{unit}/tables/{table}/{address}", []string{"quantity"}, c.device(c.unpinTable)},
		{"POST", "/power-cycle", nil, c.cycleAll},
		{"GET", "/faults", nil, c.faults},
		{"POST", "/faults", nil, c.addFault},
		{"PUT", "/faults", nil, c.setFaults},
		{"DELETE", "/faults", nil, c.removeFaults},
		{"GET", "/faults/{name}", nil, c.fault},
		{"DELETE", "/faults/{name}", nil, c.removeFault},
		{"GET", "/clock", nil, c.clock(showClock)},
		{"PUT", "/clock", nil, c.clock(c.setClock)},
		{"POST", "/clock/step", nil, c.clock(c.stepClock)},
		{"GET", "/calls", append([]string{"limit"}, filter...), c.calls},
		{"DELETE", "/calls", nil, c.forgetCalls},
		{"GET", "/calls/wait", append([]string{"timeout"}, filter...), c.waitCall},
	}
}

// takesBody reports whether what is asked for stands in a body.
func (r route) takesBody() bool {
	return r.method == http.MethodPut || r.method == http.MethodPost && !strings.HasSuffix(r.path, "/power-cycle")
}

func (c *Server) newMux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range c.routes() {
		mux.HandleFunc(r.method+" "+r.path, r.handle)
	}
	mux.HandleFunc("GET /events", c.events)
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(document) // whoever asked is gone
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { write(w, nowhere(mux, w, r)) })
	return mux
}

func (r route) handle(w http.ResponseWriter, asked *http.Request) {
	query, err := parameters(asked, r.query)
	if err != nil {
		write(w, wrong(err))
		return
	}
	if !r.takesBody() && hasBody(w, asked) {
		write(w, problemf(http.StatusBadRequest, "%s %s takes no body: send none, as it would mean nothing", r.method, r.path))
		return
	}
	write(w, r.serve(&request{asked, w, query}))
}

// parameters returns what follows the '?'; each of the known may be there once.
func parameters(r *http.Request, known []string) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("what follows the ? cannot be read: %w", err)
	}
	for name, values := range query {
		switch {
		case len(known) == 0:
			return nil, fmt.Errorf("there is no parameter %s: this takes none", shown(name))
		case !slices.Contains(known, name):
			return nil, fmt.Errorf("there is no parameter %s: possible are %s", shown(name), strings.Join(known, ", "))
		case len(values) > 1:
			return nil, fmt.Errorf("the parameter %s is there %d times: keep one", name, len(values))
		case values[0] == "":
			return nil, fmt.Errorf("the parameter %s has no value: give it one, or leave it out", name)
		}
	}
	return query, nil
}

// nowhere answers what no route is for.
func nowhere(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) answer {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "/" {
			methods = append(methods, method)
		}
	}
	if len(methods) == 0 {
		return problemf(http.StatusNotFound, "there is nothing at %s: see /openapi.json", r.URL.Path)
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	return problemf(http.StatusMethodNotAllowed, "%s cannot be used at %s: use %s", r.Method, r.URL.Path, strings.Join(methods, ", "))
}

// device lets a route serve the device of a path's unit.
func (c *Server) device(serve func(q *request, d *simulator.Device) answer) func(q *request) answer {
	return func(q *request) answer {
		unit, err := strconv.ParseUint(q.PathValue("unit"), 10, 8)
		if d := c.s.Device(byte(unit)); err == nil && d != nil {
			return serve(q, d)
		}
		var units []string
		for _, d := range c.s.Devices() {
			units = append(units, strconv.Itoa(int(d.Unit())))
		}
		return problemf(http.StatusNotFound, "no device has unit %s: there are %s", shown(q.PathValue("unit")), strings.Join(units, ", "))
	}
}

// number returns a parameter, or def if it is not there.
func (q *request) number(name string, def, least, most int) (int, error) {
	if !q.query.Has(name) {
		return def, nil
	}
	n, err := parseNumber(q.query.Get(name))
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s must be a number from %d to %d, not %s", name, least, most, shown(q.query.Get(name)))
	}
	return n, nil
}

// parseNumber reads a decimal number, or a hexadecimal one with 0x.
func parseNumber(text string) (int, error) {
	base := 10
	digits, hex := strings.CutPrefix(strings.ToLower(text), "0x")
	if hex {
		base = 16
	}
	n, err := strconv.ParseUint(digits, base, 31)
	return int(n), err
}

// decode reads the body's JSON.
func (q *request) decode(into any) error {
	b, err := body(q.w, q.Request)
	if err != nil {
		return err
	}
	return decode(b, into)
}
