package remote

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"modferry/gateway/broker"
	"modferry/gateway/gatewaytest"
	"modferry/gateway/message"
	"modferry/modbus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 5 * time.Second

// gateway is the other side, which a test plays.
type gateway struct {
	*gatewaytest.Peer
	requests *gatewaytest.Inbox
}

// played starts a broker, the gateway's side of a bus, and ours.
func played(t *testing.T, fixed string) (*gateway, *Bus) {
	t.Helper()
	server, err := broker.New(broker.Options{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	url := "tcp://" + server.Addr().String()
	running(t, func(ctx context.Context) { _ = server.Run(ctx) })
	g := &gateway{Peer: gatewaytest.Client(t, url, gatewaytest.ClientOptions{})}
	g.Publish("p/status", 1, true, message.Online)
	g.Publish("p/bus/b/status", 1, true, "{}")
	g.requests = g.Subscribe(topic(fixed, "request"), 1)
	b := New(Options{URL: strings.Replace(url, "tcp:", "mqtt:", 1), Prefix: "p", Bus: "b", Client: "me", Request: fixed, Response: fixed})
	running(t, b.Run)
	return g, b
}

func topic(fixed, kind string) string {
	if fixed != "" {
		return fixed
	}
	return "p/bus/b/" + kind + "/me"
}

func running(t *testing.T, run func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// reply publishes what the gateway says on a topic.
func (g *gateway) say(kind string, payload any) { g.Publish("p/bus/b/"+kind+"/me", 1, false, payload) }

// next returns the next request in its form, after refusing JSON if it is to.
func (g *gateway) next(t *testing.T, refuse bool) string {
	t.Helper()
	for {
		m := g.requests.Next(patience)
		if !refuse || m.Payload[0] != '{' {
			return string(m.Payload)
		}
		var q struct{ ID string }
		if err := json.Unmarshal(m.Payload, &q); err != nil {
			t.Fatal(err)
		}
		g.say("response", fmt.Sprintf(`{"id":%q,"ok":false,"error":{"code":"not_a_frame","message":"this bus takes hex only"}}`, q.ID))
	}
}

type asked struct {
	pdu modbus.PDU
	err error
}

func ask(b *Bus, timeout time.Duration, unit byte, q modbus.PDU) <-chan asked {
	got := make(chan asked, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		pdu, err := b.Ask(ctx, unit, q)
		got <- asked{pdu, err}
	}()
	return got
}

func frame(unit byte, pdu modbus.PDU) string {
	return strings.ToUpper(hex.EncodeToString(modbus.AppendRTU(nil, modbus.ADU{Unit: unit, PDU: pdu})))
}

func registers(values ...uint16) modbus.PDU {
	return modbus.PDU{FunctionCode: 3, Data: modbus.AppendRegisters([]byte{byte(2 * len(values))}, values...)}
}

// On a bus without ids a reply may be byte for byte the request, one of another client
// is none, and one that comes late is not that of the next request.
func TestWithoutIDs(t *testing.T) {
	g, b := played(t, "")
	write := modbus.WriteRegisterRequest(16, 7)
	got := ask(b, patience, 1, write)
	g.next(t, true)
	g.say("response", frame(1, modbus.WriteRegisterRequest(16, 8))) // of another client
	g.say("response", frame(2, write))
	g.say("response", frame(1, write))
	if a := <-got; a.err != nil || string(a.pdu.Data) != string(write.Data) {
		t.Fatalf("a write: %+v", a)
	}

	got = ask(b, 300*time.Millisecond, 1, modbus.ReadRequest(3, 100, 1))
	g.next(t, false)
	var silent *Silent
	if a := <-got; !errors.As(a.err, &silent) {
		t.Fatalf("no reply: %+v", a)
	}
	var nowhere *Unreachable
	if a := <-ask(b, 300*time.Millisecond, 1, modbus.ReadRequest(3, 200, 1)); !errors.As(a.err, &nowhere) {
		t.Fatalf("while a reply is due: %+v", a)
	}
	got = ask(b, patience, 1, modbus.ReadRequest(3, 300, 1))
	g.say("response", frame(1, registers(100))) // at last
	g.next(t, false)
	g.say("response", frame(1, registers(300)))
	if a := <-got; a.err != nil || string(a.pdu.Data) != string(registers(300).Data) {
		t.Fatalf("the next request: %+v", a)
	}
}

// On one topic for both directions, our own words come back before the reply.
func TestOneTopicWithoutIDs(t *testing.T) {
	g, b := played(t, "abc")
	b.form = asHex
	write := modbus.WriteRegisterRequest(16, 7)
	got := ask(b, patience, 1, write)
	g.next(t, false)
	select {
	case a := <-got:
		t.Fatalf("its own words are the reply: %+v", a)
	case <-time.After(200 * time.Millisecond):
	}
	g.Publish("abc", 1, false, frame(1, write))
	if a := <-got; a.err != nil {
		t.Fatalf("%+v", a)
	}
}

// What comes for a request is held against it.
func TestWhatIsNoReply(t *testing.T) {
	g, b := played(t, "")
	var silent *Silent
	for name, c := range map[string]struct {
		reply string
		good  bool
	}{
		"good":          {`"ok":true,"frame":"` + frame(1, registers(5)) + `"`, true},
		"exception":     {`"ok":false,"frame":"` + frame(1, modbus.ExceptionPDU(3, 2)) + `","error":{"code":"exception","exception":2}`, true},
		"too many":      {`"ok":true,"frame":"` + frame(1, registers(5, 6)) + `"`, false},
		"function":      {`"ok":true,"frame":"` + frame(1, modbus.PDU{FunctionCode: 4, Data: []byte{2, 0, 5}}) + `"`, false},
		"unit":          {`"ok":true,"frame":"` + frame(9, registers(5)) + `"`, false},
		"count":         {`"ok":true,"frame":"` + frame(1, modbus.PDU{FunctionCode: 3, Data: []byte{10, 0, 1}}) + `"`, false},
		"empty":         {`"ok":true,"frame":"` + frame(1, modbus.PDU{FunctionCode: 3}) + `"`, false},
		"nothing":       {`"ok":true`, false},
		"no hex":        {`"ok":true,"frame":"zz"`, false},
		"another frame": {`"ok":true,"frame":""`, false},
	} {
		got := ask(b, patience, 1, modbus.ReadRequest(3, 5, 1))
		var q struct{ ID string }
		if err := json.Unmarshal([]byte(g.next(t, false)), &q); err != nil {
			t.Fatal(err)
		}
		g.say("error", `{}`) // what says nothing is about nothing
		g.say("error", `{"code":"empty","payload":""}`)
		g.say("response", `{"id":"another","ok":true,"frame":"`+frame(1, registers(9))+`"}`)
		g.say("response", fmt.Sprintf(`{"id":%q,%s}`, q.ID, c.reply))
		if a := <-got; (a.err == nil) != c.good || !c.good && !errors.As(a.err, &silent) {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// The gateway goes away: what it has may have been done, and what it has not was not.
func TestGatewayGoesAway(t *testing.T) {
	g, b := played(t, "")
	got := ask(b, time.Second, 1, modbus.WriteRegisterRequest(1, 1))
	first := g.next(t, false)
	g.Publish("p/status", 1, true, message.Offline)
	var silent *Silent
	var nowhere *Unreachable
	if a := <-got; !errors.As(a.err, &silent) {
		t.Errorf("a request that was sent: %+v", a)
	}
	if a := <-ask(b, time.Second, 1, modbus.WriteRegisterRequest(1, 1)); !errors.As(a.err, &nowhere) {
		t.Errorf("a request afterwards: %+v", a)
	}
	if first == "" {
		t.Error("nothing was sent")
	}
}

// Many at a time get each their own reply, in whatever order.
func TestManyAtATime(t *testing.T) {
	g, b := played(t, "")
	got := ask(b, patience, 1, modbus.ReadRequest(3, 0, 1)) // the first finds out the form
	answerAll := func(n int) {
		type request struct{ ID, Frame string }
		var all []request
		for range n {
			var q request
			if err := json.Unmarshal([]byte(g.next(t, false)), &q); err != nil {
				t.Fatal(err)
			}
			all = append(all, q)
		}
		for i := range all {
			q := all[len(all)-1-i]
			b, err := hex.DecodeString(q.Frame)
			if err != nil {
				t.Fatal(err)
			}
			g.say("response", fmt.Sprintf(`{"id":%q,"ok":true,"frame":%q}`, q.ID, frame(1, registers(uint16(b[2])<<8|uint16(b[3])))))
		}
	}
	answerAll(1)
	<-got
	const n = 50
	var wrong atomic.Int64
	done := make(chan struct{}, n)
	for i := range uint16(n) {
		go func() {
			a := <-ask(b, patience, 1, modbus.ReadRequest(3, i, 1))
			if a.err != nil || string(a.pdu.Data) != string(registers(i).Data) {
				wrong.Add(1)
			}
			done <- struct{}{}
		}()
	}
	answerAll(n)
	for range n {
		<-done
	}
	if wrong.Load() > 0 {
		t.Errorf("%d of %d got something else", wrong.Load(), n)
	}
}
