package control

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// guarded lets only those through who may control the simulator.
func (c *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !c.mayPass(r):
			w.Header().Set("WWW-Authenticate", `Bearer realm="modferry simulator"`)
			write(w, problemf(http.StatusUnauthorized, "the control needs its token: send the header Authorization: Bearer and the token"))
		case c.o.Token == "" && !c.ownHost(r.Host):
			write(w, problemf(http.StatusForbidden, "the host %s is not this machine: use 127.0.0.1 or localhost, or a token", shown(r.Host)))
		case foreign(r):
			write(w, problemf(http.StatusForbidden, "web pages of other origins may not ask for anything"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (c *Server) mayPass(r *http.Request) bool {
	if c.o.Token == "" {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(c.o.Token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// ownHost reports whether a Host header names this machine itself, or what is listened
// on: a web page whose name was made to lead here has another.
func (c *Server) ownHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	own, _, _ := net.SplitHostPort(c.o.Address)
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback() || own != "" && strings.EqualFold(host, own)
}

// foreign reports whether a browser makes the request for a web page of another
// origin, or for one that does not tell its origin [Fetch, 3.1]. Programs say nothing
// of origins.
func foreign(r *http.Request) bool {
	for _, origin := range r.Header.Values("Origin") {
		from, err := url.Parse(origin)
		if err != nil || from.Host == "" || !strings.EqualFold(from.Host, r.Host) {
			return true
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none": // none: its user typed the address
		return false
	}
	return true
}
