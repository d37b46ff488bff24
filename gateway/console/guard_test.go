package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func guarded(t *testing.T, users map[string]string) string {
	t.Helper()
	s, err := New(Options{Listen: "127.0.0.1:0", Gateway: "shed", Users: users})
	if err != nil {
		t.Fatal(err)
	}
	s.Handle("/api/who", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<", User(r), ">") }))
	run(t, s)
	return "http://" + s.Addr().String()
}

// do makes a request with headers, as pairs; a body makes it a POST of JSON.
func do(t *testing.T, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method, header = http.MethodPost, append(header, "Content-Type", "application/json")
	}
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply, string(text)
}

// TestForeignPages: a browser on this machine does for a page of somewhere else what the
// page wants, so such requests are told from those of the console by their headers.
func TestForeignPages(t *testing.T) {
	open, closed := guarded(t, nil), guarded(t, map[string]string{"ann": "s3cret"})
	own := strings.TrimPrefix(open, "http://")
	for _, c := range []struct {
		header       []string
		open, closed int // status without and with users
	}{
		{nil, 200, 200},
		{[]string{"Host", "localhost:8080"}, 200, 200},
		{[]string{"Host", "[::1]:8080"}, 200, 200},
		{[]string{"Host", "rebound.example:8080"}, 403, 200},
		{[]string{"Host", "127.0.0.1.rebound.example"}, 403, 200},
		{[]string{"Host", "gateway.example", "Origin", "https://gateway.example"}, 403, 200},
		{[]string{"Origin", "http://" + own, "Host", own}, 200, 200},
		{[]string{"Origin", "http://evil.example"}, 403, 403},
		{[]string{"Origin", "null"}, 403, 403},
		{[]string{"Origin", "http://127.0.0.1:1"}, 403, 403},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403, 403},
		{[]string{"Sec-Fetch-Site", "same-site"}, 403, 403},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 200, 200},
		{[]string{"Sec-Fetch-Site", "none"}, 200, 200},
	} {
		if r, body := do(t, open+"/api/who", "", c.header...); r.StatusCode != c.open {
			t.Errorf("without users, %q: %s %s", c.header, r.Status, body)
		}
		header := slices.Concat(c.header, []string{"Authorization", "Basic YW5uOnMzY3JldA=="})
		if r, body := do(t, closed+"/api/who", "", header...); r.StatusCode != c.closed || c.closed == 200 && body != "<ann>" {
			t.Errorf("with users, %q: %s %s", c.header, r.Status, body)
		}
	}
	if r, body := do(t, open+"/", "", "Host", "rebound.example"); r.StatusCode != 403 || !strings.Contains(body, "add users to http") {
		t.Errorf("the page as another host: %s %s", r.Status, body)
	}
}

func TestLogin(t *testing.T) {
	base := guarded(t, map[string]string{"ann": "s3cret"})
	for _, path := range []string{"/", "/app.js", "/healthz", "/readyz"} {
		if r, _ := do(t, base+path, ""); r.StatusCode != 200 {
			t.Errorf("%s needs a login: %s", path, r.Status)
		}
	}
	for _, path := range []string{"/api/view", "/api/who"} {
		if r, body := do(t, base+path, ""); r.StatusCode != 401 || !strings.Contains(body, `"code":"login"`) || r.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s without one: %s %s", path, r.Status, body)
		}
	}
	if r, body := do(t, base+"/api/session", ""); r.StatusCode != 200 || !strings.Contains(body, `"login":true`) {
		t.Errorf("the session before the login: %s %s", r.Status, body)
	}
	for body, status := range map[string]int{`{"user":"ann","password":"S3cret"}`: 401, `{"user":"bob","password":""}`: 401, `{"user":`: 400} {
		if r, text := do(t, base+"/api/login", body); r.StatusCode != status || r.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %s %s", body, r.Status, text)
		}
	}
	const good = `{"user":"ann","password":"s3cret"}`
	if r, _ := do(t, base+"/api/login", good, "Origin", "http://evil.example"); r.StatusCode != 403 {
		t.Errorf("a login from another page: %s", r.Status)
	}
	r, _ := do(t, base+"/api/login", good)
	cookies := r.Cookies()
	if r.StatusCode != 200 || len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || cookies[0].Secure {
		t.Fatalf("%s %v", r.Status, r.Header)
	}
	session := cookies[0].Name + "=" + cookies[0].Value
	if r, body := do(t, base+"/api/who", "", "Cookie", session, "Authorization", "Basic cHJveHk6b3RoZXI="); body != "<ann>" {
		t.Errorf("%s %s", r.Status, body)
	}
	if _, body := do(t, base+"/api/session", "", "Cookie", session); !strings.Contains(body, `"login":false`) || !strings.Contains(body, `"user":"ann"`) {
		t.Errorf("the session is %s", body)
	}
	var v View
	if _, body := do(t, base+"/api/view", "", "Cookie", session); json.Unmarshal([]byte(body), &v) != nil || v.User != "ann" {
		t.Errorf("the view is %s", body)
	}
	if r, _ := do(t, base+"/api/who", "", "Cookie", cookies[0].Name+"=guess"); r.StatusCode != 401 {
		t.Errorf("a guessed session: %s", r.Status)
	}
	if r, _ := do(t, base+"/api/logout", "{}", "Cookie", session); r.StatusCode != 204 {
		t.Errorf("logout: %s", r.Status)
	}
	if r, _ := do(t, base+"/api/who", "", "Cookie", session); r.StatusCode != 401 {
		t.Errorf("after the logout: %s", r.Status)
	}
}

func TestCookieOverTLS(t *testing.T) {
	secure := func(url, socket string) bool {
		r := httptest.NewRequest(http.MethodPost, url, nil)
		r.RemoteAddr = socket
		r.Header.Set("X-Forwarded-Proto", "https")
		return newLogins("shed", nil).cookieFor(r, "token", tokenLife).Secure
	}
	if !secure("https://gateway.example/api/login", "192.0.2.1:1") || !secure("http://gateway.example/api/login", "127.0.0.1:1") {
		t.Error("the cookie goes over plain HTTP, too")
	}
	if secure("http://gateway.example/api/login", "192.0.2.1:1") {
		t.Error("a browser without TLS gets a cookie that it does not send")
	}
}

// Behind a proxy on this machine, browsers are told apart by what it says of them, and
// there is a bound for all of them. What others say of themselves does not count.
func TestGuessingBehindAProxy(t *testing.T) {
	l := newLogins("shed", map[string]string{"ann": "s3cret"})
	try := func(socket, client, password string) bool {
		r := from(socket, "ann", password)
		r.Header.Set("X-Real-IP", client)
		_, ok := l.user(r)
		return ok
	}
	for range maxFailures {
		try("127.0.0.1:1000", "192.0.2.1", "wrong")
		try("198.51.100.1:1", "192.0.2.3", "wrong")
	}
	if try("127.0.0.1:1000", "192.0.2.1", "s3cret") {
		t.Error("guessing goes on at full speed")
	}
	if !try("127.0.0.1:1000", "192.0.2.2", "s3cret") {
		t.Error("somebody else has to wait, too")
	}
	if try("198.51.100.1:1", "192.0.2.4", "s3cret") {
		t.Error("who names another address has new tries")
	}
	for i := range maxProxied {
		try("127.0.0.1:1000", fmt.Sprintf("10.0.%d.%d", i>>8, i&255), "wrong")
	}
	if try("127.0.0.1:1000", "192.0.2.9", "s3cret") {
		t.Error("there is no bound for all")
	}
}

func from(address, user, password string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/api/view", nil)
	r.RemoteAddr = address
	r.SetBasicAuth(user, password)
	return r
}

func TestGuessingIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLogins("shed", map[string]string{"ann": "s3cret"})
		for i := range maxFailures {
			if _, ok := l.user(from("192.0.2.1:1000", "ann", fmt.Sprint(i))); ok {
				t.Fatal("a wrong password is right")
			}
		}
		if _, ok := l.user(from("192.0.2.1:2000", "ann", "s3cret")); ok {
			t.Error("guessing goes on at full speed")
		}
		if wait := l.late(from("192.0.2.1:3000", "", "")); wait != "61" && wait != "60" {
			t.Errorf("to wait: %q s", wait)
		}
		if _, ok := l.user(from("192.0.2.2:1000", "ann", "s3cret")); !ok {
			t.Error("somebody else has to wait, too")
		}
		for i := range maxFailures { // one IPv6 network is one client
			l.user(from(fmt.Sprintf("[2001:db8::%x]:1", i+1), "ann", "x"))
		}
		if _, ok := l.user(from("[2001:db8::ffff]:1", "ann", "s3cret")); ok {
			t.Error("every address of an IPv6 network has its own tries")
		}
		time.Sleep(failureWindow + time.Second)
		if _, ok := l.user(from("192.0.2.1:4000", "ann", "s3cret")); !ok {
			t.Error("the wait does not end")
		}
		for i := range 2 * maxAddresses {
			l.user(from(fmt.Sprintf("10.%d.%d.1:1", i>>8, i&255), "ann", "x"))
		}
		if len(l.failures) > maxAddresses {
			t.Errorf("%d addresses are remembered", len(l.failures))
		}
	})
}

func TestSessionsEndAndAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLogins("shed", map[string]string{"ann": "s3cret"})
		with := func(token string) bool {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.AddCookie(&http.Cookie{Name: l.cookie, Value: token})
			_, ok := l.user(r)
			return ok
		}
		oldest := l.begin("ann")
		time.Sleep(time.Minute)
		second := l.begin("ann")
		if !with(oldest) || !with(second) {
			t.Error("a session does not count")
		}
		for range maxSessions - 1 {
			time.Sleep(time.Second)
			l.begin("ann")
		}
		if len(l.sessions) > maxSessions || with(oldest) || !with(second) {
			t.Errorf("%d sessions, oldest %t, second %t", len(l.sessions), with(oldest), with(second))
		}
		time.Sleep(sessionLife)
		if with(second) {
			t.Error("a session never ends")
		}
	})
}

func FuzzLogin(f *testing.F) {
	for _, seed := range []string{`{"user":"ann","password":"s3cret"}`, `{}`, `[]`, `{"user":1}`, ""} {
		f.Add([]byte(seed), "application/json", "http://127.0.0.1")
	}
	g := &guard{logins: newLogins("shed", map[string]string{"ann": "s3cret"})}
	f.Fuzz(func(t *testing.T, body []byte, kind, origin string) {
		r := httptest.NewRequest(http.MethodPost, "/api/login", bytes.NewReader(body))
		r.Header["Content-Type"], r.Header["Origin"] = []string{kind}, []string{origin}
		w := httptest.NewRecorder()
		g.login(w, r)
		var given struct{ User, Password string }
		right := json.Unmarshal(body, &given) == nil && given.User == "ann" && given.Password == "s3cret"
		if w.Code == http.StatusOK && !right && !bytes.Contains(body, []byte("s3cret")) {
			t.Errorf("%q logs in", body)
		}
		if w.Code != http.StatusOK && len(w.Result().Cookies()) > 0 {
			t.Errorf("%d with a cookie", w.Code)
		}
	})
}
