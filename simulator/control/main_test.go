package control

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"go.uber.org/goleak"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second // for what must come

// documented is the document, read by a program that knows nothing of this one.
func documented(t testing.TB) (*openapi3.T, routers.Router) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return doc, router
}

// bench is a simulator with its control, and a client that holds every answer against
// the document.
type bench struct {
	testing.TB
	*simulator.Simulator
	c      *Server
	client *http.Client
	router routers.Router
	token  string
	modbus string // where its Modbus TCP face is

	mu   sync.Mutex
	seen map[string]bool // "GET /calls 200"
}

func newBench(t testing.TB, o simulator.Options, token string) *bench {
	t.Helper()
	p, err := profile.Load(os.DirFS("../../configs"), "xy-md02")
	if err != nil {
		t.Fatal(err)
	}
	if o.Profile == nil {
		o.Profile = p
	}
	o.Unit = 1
	s, err := simulator.New(o)
	if err != nil {
		t.Fatal(err)
	}
	address, err := s.ListenTCP(":0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Listen(s, Options{Address: ":0", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{TB: t, Simulator: s, c: c, client: &http.Client{Transport: &http.Transport{}, Timeout: patience}, token: token, modbus: address.String(), seen: map[string]bool{}}
	_, b.router = documented(t)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{s.Run, c.Serve} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				t.Errorf("it ended with %v", err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
		b.client.CloseIdleConnections()
	})
	return b
}

// ask makes a request such as "GET /calls" and returns the status and the body.
func (b *bench) ask(request, body string) (int, string) {
	b.Helper()
	status, text, err := b.try(request, body, func(*http.Request) {})
	if err != nil {
		b.Fatal(err)
	}
	return status, text
}

func (b *bench) try(request, body string, change func(r *http.Request)) (int, string, error) {
	method, path, _ := strings.Cut(request, " ")
	r, err := http.NewRequest(method, b.c.URL()+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	change(r)
	answer, err := b.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, "", err
	}
	return answer.StatusCode, string(text), b.hold(r, body, answer, text)
}

// hold holds an answer against the document, and the request too if it was carried out.
func (b *bench) hold(r *http.Request, body string, answer *http.Response, text []byte) error {
	route, params, err := b.router.FindRoute(r)
	if err != nil {
		if answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusMethodNotAllowed {
			return nil
		}
		return fmt.Errorf("%s %s is not documented: %w", r.Method, r.URL, err)
	}
	b.mu.Lock()
	b.seen[fmt.Sprintf("%s %s %d", r.Method, route.Path, answer.StatusCode)] = true
	b.mu.Unlock()
	r.Body = io.NopCloser(strings.NewReader(body))
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if answer.StatusCode < 300 || answer.StatusCode == http.StatusRequestTimeout {
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			return fmt.Errorf("%s %s %s was carried out, but the document does not allow it: %w", r.Method, r.URL, body, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: answer.StatusCode, Header: answer.Header, Options: in.Options}
	out.SetBodyBytes(text)
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		return fmt.Errorf("%s %s gives %d %s: %w", r.Method, r.URL, answer.StatusCode, text, err)
	}
	return nil
}

// want makes a request whose answer must have a status and contain a text.
func (b *bench) want(request, body string, status int, text string) string {
	b.Helper()
	got, answer := b.ask(request, body)
	if got != status || !strings.Contains(answer, text) {
		b.Errorf("%s %s: %d %s\nwant %d with %s", request, body, got, answer, status, text)
	}
	return answer
}

// say sends a PDU to a unit over Modbus TCP and returns the reply as hex.
func (b *bench) say(unit byte, q modbus.PDU) string {
	b.Helper()
	conn, err := net.Dial("tcp", b.modbus)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		b.Fatal(err)
	}
	if _, err := conn.Write(modbus.AppendTCP(nil, modbus.ADU{Unit: unit, PDU: q})); err != nil {
		b.Fatal(err)
	}
	var reply bytes.Buffer
	if _, err := io.CopyN(&reply, conn, 7); err != nil {
		b.Fatal(err)
	}
	if _, err := io.CopyN(&reply, conn, int64(reply.Bytes()[5])-1); err != nil {
		b.Fatal(err)
	}
	return fmt.Sprintf("%X", reply.Bytes()[7:])
}
