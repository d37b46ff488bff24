package config

import (
	"net"
	"path/filepath"
	"strings"

	"modferry/configs/plainfile"
	"modferry/configs/strictyaml"
	"modferry/simulator/clock"
)

// ControlOptions are where the simulator is controlled over HTTP.
type ControlOptions struct {
	Address string // host:port; "" = not at all
	Token   string // needed in each request, "" = none; never shown
}

// decodeControl reads control and control_token_file, a file beside the configuration.
func decodeControl(m *strictyaml.Map, beside string) ControlOptions {
	n, file := m.Get("control"), m.Get("control_token_file")
	o := ControlOptions{Address: n.String("")}
	_, _, err := net.SplitHostPort(o.Address)
	switch {
	case file.Present() && !n.Present():
		file.Problemf("there is no control that needs it: add control such as 127.0.0.1:8081, or remove this")
	case file.Present():
		o.Token = decodeToken(file, beside)
	case n.Present() && err != nil:
		n.Problemf("expected host:port such as 127.0.0.1:8081, got %s", n.Shown())
	case n.Present() && !IsLoopback(o.Address):
		n.Problemf("%s can be reached from other machines: add control_token_file, or use 127.0.0.1", n.Shown())
	}
	return o
}

func decodeToken(n strictyaml.Node, beside string) string {
	path, ok := n.Text()
	if !ok {
		return ""
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(beside, path)
	}
	token, err := ReadToken(path)
	if err != nil {
		n.Problemf("%v", err)
	}
	return token
}

// MinToken is the fewest characters of a token.
const MinToken = 8

// maxTokenFile is for a token that still finds room in a request, in bytes.
const maxTokenFile = 4096

// ReadToken reads a token from a file, without white space around it.
func ReadToken(path string) (string, error) {
	b, err := plainfile.ReadMost(path, maxTokenFile)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if len(token) < MinToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", &tokenError{path}
	}
	return token, nil
}

type tokenError struct{ path string }

func (e *tokenError) Error() string {
	return e.path + " must hold one word of at least 8 letters, digits and signs, which is the token"
}

// IsLoopback reports whether an address (host:port) cannot be reached from other
// machines; without a host it means 127.0.0.1.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "" || host == "localhost" || ip != nil && ip.IsLoopback())
}

// decodeClock reads the clock; nil: the present, in real time.
func decodeClock(n strictyaml.Node) *clock.Clock {
	if !n.Present() {
		return nil
	}
	m := n.Map()
	defer m.Done()
	begin := clock.New
	if m.Get("paused").Bool(false) {
		begin = clock.NewPaused
	}
	c := begin(m.Get("start").Time())
	if s := m.Get("speed"); s.Present() {
		if err := c.Speed(s.Float(1, 0, clock.MaxSpeed)); err != nil {
			s.Problemf("%v", err)
		}
	}
	return c
}
