package console

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// guard decides who may use what the server offers beyond the page itself.
//
// Where there are users, a request needs a session ([guard.login]) or HTTP Basic
// authentication, which is for programs. Where there are none the listener is on a
// loopback address, and everybody on this machine may: then a request must name this
// machine as its host, or any page in a browser could have its own name resolve to
// 127.0.0.1 and read everything. In both cases what a browser sends for a page of
// another origin is refused.
type guard struct {
	logins *logins // nil = there are no users
}

type userKey struct{}

// User returns who makes a request that came through the guard; "" where nobody has
// to say.
func User(r *http.Request) string {
	name, _ := r.Context().Value(userKey{}).(string)
	return name
}

// protect lets only those requests through to next that may use the gateway.
func (g *guard) protect(next http.Handler) http.Handler {
	return g.atHome(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isForeign(r) {
			refuse(w, http.StatusForbidden, "foreign_origin", "pages of another address may not use this gateway: open "+r.Host+" itself")
			return
		}
		name, ok := g.user(r)
		if !ok {
			if wait := g.logins.late(r); wait != "" {
				refuseLater(w, wait)
				return
			}
			refuse(w, http.StatusUnauthorized, "login", "log in first: POST /api/login, or HTTP Basic authentication")
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, name)))
	}))
}

// atHome refuses hosts that are not this machine where everybody on it may do everything.
func (g *guard) atHome(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.logins == nil && !isThisMachine(r.Host) {
			refuse(w, http.StatusForbidden, "foreign_host",
				"this gateway is asked for as "+r.Host+" and has no users: add users to http in its configuration, or open it at 127.0.0.1")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// user returns who makes a request; ok is false for those who have to log in.
func (g *guard) user(r *http.Request) (name string, ok bool) {
	if g.logins == nil {
		return "", true
	}
	return g.logins.user(r)
}

func isThisMachine(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	ip, err := netip.ParseAddr(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || err == nil && ip.IsLoopback()
}

// isForeign reports whether a browser makes a request for a page of another origin.
// A server in front may speak TLS, so schemes are not compared.
func isForeign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none": // none: typed by a person
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}

// refuse answers what is not done, for people and for programs.
func refuse(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
}
