package console

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// Bounds of logins.
const (
	sessionLife   = 12 * time.Hour
	maxSessions   = 128         // of all users; one more ends the oldest
	maxFailures   = 10          // wrong passwords from one address
	maxProxied    = 300         // from all for whom proxies on this machine ask
	failureWindow = time.Minute // in which they count
	maxAddresses  = 1024        // whose failures are remembered
	maxLogin      = 4 << 10     // bytes of a login
	tokenLife     = int(sessionLife / time.Second)
)

// logins knows the users and who has logged in. Passwords and tokens are kept and
// compared as digests, so that no comparison takes longer for a better guess.
type logins struct {
	cookie string
	users  map[string][sha256.Size]byte // digest of the password

	mu       sync.Mutex
	sessions map[[sha256.Size]byte]session // by the digest of the token
	failures map[netip.Prefix]failure
}

type session struct {
	user string
	ends time.Time
}

type failure struct {
	count int
	ends  time.Time
}

func newLogins(gateway string, passwords map[string]string) *logins {
	l := &logins{
		cookie:   "modferry-" + cmp.Or(gateway, "console"), // browsers keep one jar for all ports of a host
		users:    make(map[string][sha256.Size]byte, len(passwords)),
		sessions: map[[sha256.Size]byte]session{}, failures: map[netip.Prefix]failure{},
	}
	for name, password := range passwords {
		l.users[name] = sha256.Sum256([]byte(password))
	}
	return l
}

// user returns who has logged in, or who says so by HTTP Basic authentication. The
// session goes first: a proxy in front may have an authentication of its own.
func (l *logins) user(r *http.Request) (string, bool) {
	if cookie, err := r.Cookie(l.cookie); err == nil {
		if name, ok := l.session(cookie.Value); ok {
			return name, true
		}
	}
	if name, password, ok := r.BasicAuth(); ok && l.check(r, name, password) {
		return name, true
	}
	return "", false
}

func (l *logins) session(token string) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.sessions[sha256.Sum256([]byte(token))]
	return s.user, ok && time.Now().Before(s.ends)
}

// check compares a password, and counts the wrong ones of an address. After too many
// of them even the right one is refused for a while.
func (l *logins) check(r *http.Request, name, password string) bool {
	from, proxied := addressOf(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting(from, proxied) > 0 {
		return false
	}
	given := sha256.Sum256([]byte(password))
	want, known := l.users[name]
	if subtle.ConstantTimeCompare(given[:], want[:]) == 1 && known {
		return true // which forgives nothing: others at this address may be guessing
	}
	l.failed(from)
	if proxied { // who only says so would have tries without end
		l.failed(thisMachine)
	}
	return false
}

// failed counts a failure. Where too many addresses are remembered the one is
// forgotten whose time is over first.
func (l *logins) failed(from netip.Prefix) {
	f, ok := l.failures[from]
	if !ok && len(l.failures) >= maxAddresses {
		delete(l.failures, first(l.failures, func(f failure) time.Time { return f.ends }))
	}
	if time.Now().After(f.ends) {
		f = failure{ends: time.Now().Add(failureWindow)}
	}
	f.count++
	l.failures[from] = f
}

// waiting returns for how long an address may not try.
func (l *logins) waiting(from netip.Prefix, proxied bool) time.Duration {
	if f := l.failures[from]; f.count >= maxFailures {
		return time.Until(f.ends)
	}
	if f := l.failures[thisMachine]; proxied && f.count >= maxProxied {
		return time.Until(f.ends)
	}
	return 0
}

// late returns after how many seconds a client may try again, "" = now.
func (l *logins) late(r *http.Request) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait := l.waiting(addressOf(r)); wait > 0 {
		return strconv.Itoa(int(wait/time.Second) + 1)
	}
	return ""
}

// thisMachine is where proxies in front are.
var thisMachine = netip.MustParsePrefix("127.0.0.1/32")

// addressOf is who counts as one client: an IPv4 address, or the network of an IPv6
// one. A proxy on this machine says for whom it asks, in X-Real-IP.
func addressOf(r *http.Request) (from netip.Prefix, proxied bool) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	ip, _ := netip.ParseAddr(host) // of the socket; an invalid one has a place of its own
	if ip.Unmap().IsLoopback() {
		if real, err := netip.ParseAddr(r.Header.Get("X-Real-IP")); err == nil {
			ip, proxied = real, true
		}
	}
	bits := 32
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		bits = 64
	}
	from, _ = ip.Prefix(bits)
	return from, proxied
}

// isSecure reports whether the browser speaks TLS, with us or with a proxy on this machine.
func isSecure(r *http.Request) bool {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	ip, _ := netip.ParseAddr(host)
	return r.TLS != nil || ip.Unmap().IsLoopback() && r.Header.Get("X-Forwarded-Proto") == "https"
}

// first returns the key of what ends first.
func first[K comparable, V any](m map[K]V, ends func(V) time.Time) (key K) {
	var soonest time.Time
	for k, v := range m {
		if e := ends(v); soonest.IsZero() || e.Before(soonest) {
			key, soonest = k, e
		}
	}
	return key
}

// login answers POST /api/login, {"user","password"}, with a cookie.
func (g *guard) login(w http.ResponseWriter, r *http.Request) {
	var given struct{ User, Password string }
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case isForeign(r):
		refuse(w, http.StatusForbidden, "foreign_origin", "pages of another address may not log in here")
	case g.logins == nil:
		refuse(w, http.StatusNotFound, "no_users", "this gateway has no users, so nobody has to log in")
	case kind != "application/json" || json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLogin)).Decode(&given) != nil:
		refuse(w, http.StatusBadRequest, "bad_json", `a login is JSON: {"user":"NAME","password":"PASSWORD"}`)
	case !g.logins.check(r, given.User, given.Password):
		if wait := g.logins.late(r); wait != "" {
			refuseLater(w, wait)
			return
		}
		refuse(w, http.StatusUnauthorized, "wrong_password", "user or password is wrong")
	default:
		http.SetCookie(w, g.logins.cookieFor(r, g.logins.begin(given.User), tokenLife))
		writeJSON(w, http.StatusOK, map[string]string{"user": given.User})
	}
}

// session answers GET /api/session, so that a page learns without an error whether
// somebody has to log in.
func (g *guard) session(w http.ResponseWriter, r *http.Request) {
	name, ok := g.user(r)
	writeJSON(w, http.StatusOK, map[string]any{"user": name, "login": !ok})
}

func refuseLater(w http.ResponseWriter, seconds string) {
	w.Header().Set("Retry-After", seconds)
	refuse(w, http.StatusTooManyRequests, "too_many", "too many wrong passwords came from this address: try again in "+seconds+" s")
}

// logout answers POST /api/logout.
func (g *guard) logout(w http.ResponseWriter, r *http.Request) {
	if g.logins != nil {
		if cookie, err := r.Cookie(g.logins.cookie); err == nil {
			g.logins.end(cookie.Value)
		}
		http.SetCookie(w, g.logins.cookieFor(r, "", -1))
	}
	w.WriteHeader(http.StatusNoContent)
}

func (l *logins) cookieFor(r *http.Request, token string, life int) *http.Cookie {
	return &http.Cookie{
		Name: l.cookie, Value: token, Path: "/", MaxAge: life,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: isSecure(r),
	}
}

// begin starts a session and returns its token.
func (l *logins) begin(user string) string {
	token := rand.Text()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.sessions) >= maxSessions {
		delete(l.sessions, first(l.sessions, func(s session) time.Time { return s.ends }))
	}
	l.sessions[sha256.Sum256([]byte(token))] = session{user, time.Now().Add(sessionLife)}
	return token
}

func (l *logins) end(token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sessions, sha256.Sum256([]byte(token)))
}
