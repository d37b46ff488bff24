package mqtt

import (
	"fmt"
	"slices"
	"testing"
)

func drain(o *outbox) (out []string) {
	for {
		p := o.take()
		if p == nil {
			return out
		}
		text := p.topic + "=" + string(p.payload)
		if p.retain {
			text += " retained"
		}
		out = append(out, text)
	}
}

func expect(t *testing.T, o *outbox, want ...string) {
	t.Helper()
	if got := drain(o); !slices.Equal(got, want) {
		t.Errorf("taken %q,\n want %q", got, want)
	}
}

func TestOnlyTheNewestStateWaits(t *testing.T) {
	o := newOutbox(10)
	o.state(State{Topic: "temperature", Payload: []byte("1")})
	o.add(publication{flow: "response", topic: "response", payload: []byte("a")})
	o.state(State{Topic: "humidity", Payload: []byte("50")})
	o.state(State{Topic: "temperature", Payload: []byte("2")})
	expect(t, o, "temperature=2 retained", "response=a", "humidity=50 retained")
	o.state(State{Topic: "temperature", Payload: []byte("3")})
	expect(t, o, "temperature=3 retained")
}

func TestFullOutboxTakesFromTheGreediest(t *testing.T) {
	o := newOutbox(3)
	o.state(State{Topic: "status", Payload: []byte("online")})
	for i := range 5 {
		if dropped := o.add(publication{flow: "flood", topic: "flood", payload: fmt.Append(nil, i)}); dropped != uint64(max(0, i-2)) {
			t.Errorf("event %d: %d dropped", i, dropped)
		}
	}
	for i := range 3 {
		o.add(publication{flow: fmt.Sprint("polite", i), topic: fmt.Sprint("polite", i), payload: []byte("x")})
	}
	expect(t, o, "status=online retained", "polite0=x", "polite1=x", "polite2=x")
	if len(o.of) != 0 || len(o.flows) != 0 || o.events != 0 {
		t.Errorf("an empty outbox counts %d events, %v", o.events, o.of)
	}
}

func TestTopicsTakeTurns(t *testing.T) {
	o := newOutbox(100)
	for i := range 3 {
		o.add(publication{flow: "flood", topic: "flood", payload: fmt.Append(nil, i)})
	}
	o.state(State{Topic: "temperature", Payload: []byte("1")})
	o.state(State{Topic: "humidity", Payload: []byte("2")})
	o.add(publication{flow: "polite", topic: "polite", payload: []byte("x")})
	o.add(publication{flow: "polite", topic: "polite", payload: []byte("y")})
	expect(t, o, "temperature=1 retained", "flood=0", "humidity=2 retained", "polite=x", "flood=1", "polite=y", "flood=2")
}

func TestReconnectStatesEverythingFirst(t *testing.T) {
	o := newOutbox(10)
	o.state(State{Topic: "temperature", Payload: []byte("1")})
	o.state(State{Topic: "status", Payload: []byte("online")})
	drain(o)
	o.add(publication{flow: "response", topic: "response", payload: []byte("a")})
	o.state(State{Topic: "temperature", Payload: []byte("2")})
	o.restore([]*publication{{flow: "response", topic: "response", payload: []byte("flying")}, {topic: "status", retain: true}})
	o.restate("status")
	expect(t, o, "status=online retained", "temperature=2 retained", "response=flying", "response=a")
}

func TestRestoredEventsCount(t *testing.T) {
	o := newOutbox(2)
	o.add(publication{flow: "r", topic: "r", payload: []byte("3")})
	o.restore([]*publication{{flow: "r", topic: "r", payload: []byte("1")}, {flow: "r", topic: "r", payload: []byte("2")}})
	o.add(publication{flow: "r", topic: "r", payload: []byte("4")})
	expect(t, o, "r=1", "r=2", "r=3")
	select {
	case <-o.wake:
	default:
		t.Error("nobody was told that there is something to publish")
	}
}
