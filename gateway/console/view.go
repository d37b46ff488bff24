package console

import (
	"encoding/json"
	"net/http"
)

// View is what the page knows of the gateway. It holds no secrets.
type View struct {
	Gateway string   `json:"gateway"`
	Prefix  string   `json:"prefix"`
	Broker  Broker   `json:"broker"`
	Buses   []Bus    `json:"buses"`
	Devices []Device `json:"devices"`

	// The page's own, set by the server.
	User      string `json:"user"`      // who has logged in; "" where nobody has to
	Simulator string `json:"simulator"` // path of the simulator's control; "" = there is none here
}

// Broker is where the gateway's topics are.
type Broker struct {
	Embedded  bool   `json:"embedded"`
	Users     bool   `json:"users"`     // of the embedded one: it asks for a password
	URL       string `json:"url"`       // mqtt:// or as configured, without credentials
	WebSocket string `json:"websocket"` // path on this server; "" = not here
}

// Bus is how a bus is reached, and what it allows beyond reading.
type Bus struct {
	Name     string `json:"name"`
	Line     string `json:"line"`     // where it is, such as "tcp 10.0.0.5:502"
	Request  string `json:"request"`  // topic without a client
	Response string `json:"response"` // likewise
	Error    string `json:"error"`    // likewise
	Status   string `json:"status"`

	// Endings: a client adds "/" and its name to Request and Error, and to Response
	// unless SharedResponse.
	Endings        bool   `json:"endings"`
	SharedResponse bool   `json:"shared_response"`
	Payload        string `json:"payload"` // auto, hex, binary, json
	Broadcast      bool   `json:"broadcast"`
	TimeoutMS      int64  `json:"timeout_ms"`
	Queue          int    `json:"queue"`
	Allow          []Rule `json:"allow"`
}

// Rule is one of a bus; null in JSON is "all".
type Rule struct {
	Clients   []string `json:"clients"`
	Units     [][2]int `json:"units"`
	Functions []int    `json:"functions"`
	Addresses [][2]int `json:"addresses"`
	Values    [][2]int `json:"values"`
}

// Device is what is polled.
type Device struct {
	Name     string    `json:"name"`
	Title    string    `json:"title"`
	Model    string    `json:"model"`
	Bus      string    `json:"bus"`
	Unit     int       `json:"unit"`
	Payload  string    `json:"payload"` // json, value, hex, binary
	Topic    string    `json:"topic"`   // of all readings, if Group
	Group    bool      `json:"group"`
	Status   string    `json:"status"`
	Readings []Reading `json:"readings"`
}

// Reading is one value of a device.
type Reading struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Unit     string `json:"unit"`
	Class    string `json:"class"`
	Type     string `json:"type"`
	Topic    string `json:"topic"`
	EveryMS  int64  `json:"every_ms"`
	Function int    `json:"function"` // that reads it; 0 = it is computed
	Address  int    `json:"address"`
	Quantity int    `json:"quantity"`
	Set      *Set   `json:"set"`
}

// Set is what a reading may be set to.
type Set struct {
	Topic  string   `json:"topic"`
	Result string   `json:"result"`
	Min    *float64 `json:"min"` // null = no limit but the register's
	Max    *float64 `json:"max"`
	Step   float64  `json:"step"`  // 0 = any
	Names  []string `json:"names"` // of an enum, or of flags: then these are the values
	Flags  bool     `json:"flags"` // any of Names at once
	Count  int      `json:"count"` // of a block; 1 = a single value
}

// serveView answers GET /api/view.
func (s *Server) serveView(w http.ResponseWriter, r *http.Request) {
	v := s.view()
	v.User, _ = s.guard.user(r)
	s.mu.Lock()
	v.Simulator = s.simulator
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, v)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "cannot write the answer as JSON", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // who asked may be gone
}
