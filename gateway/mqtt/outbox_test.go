package mqtt

import (
	"fmt"
	"slices"
	"testing"
)

func drain(o *outbox) (out []string) {
	for {
		p, ok := o.take()
		if !ok {
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
	o.state("temperature", []byte("1"))
	o.add("response", "response", []byte("a"))
	o.state("humidity", []byte("50"))
	o.state("temperature", []byte("2"))
	expect(t, o, "temperature=2 retained", "response=a", "humidity=50 retained")
	o.state("temperature", []byte("3"))
	expect(t, o, "temperature=3 retained")
}

func TestFullOutboxTakesFromTheGreediest(t *testing.T) {
	o := newOutbox(3)
	o.state("status", []byte("online"))
	for i := range 5 {
		if dropped := o.add("flood", "flood", fmt.Append(nil, i)); dropped != max(0, i-2) {
			t.Errorf("event %d: %d dropped", i, dropped)
		}
	}
	for i := range 3 {
		o.add(fmt.Sprint("polite", i), fmt.Sprint("polite", i), []byte("x"))
	}
	expect(t, o, "status=online retained", "polite0=x", "polite1=x", "polite2=x")
	if len(o.of) != 0 || len(o.flows) != 0 || o.events != 0 {
		t.Errorf("an empty outbox counts %d events, %v", o.events, o.of)
	}
}

func TestTopicsTakeTurns(t *testing.T) {
	o := newOutbox(100)
	for i := range 3 {
		o.add("flood", "flood", fmt.Append(nil, i))
	}
	o.state("temperature", []byte("1"))
	o.state("humidity", []byte("2"))
	o.add("polite", "polite", []byte("x"))
	o.add("polite", "polite", []byte("y"))
	expect(t, o, "temperature=1 retained", "flood=0", "humidity=2 retained", "polite=x", "flood=1", "polite=y", "flood=2")
}

func TestReconnectStatesEverythingFirst(t *testing.T) {
	o := newOutbox(10)
	o.state("temperature", []byte("1"))
	o.state("status", []byte("online"))
	drain(o)
	o.add("response", "response", []byte("a"))
	o.state("temperature", []byte("2"))
	o.restore([]publication{{flow: "response", topic: "response", payload: []byte("flying")}, {topic: "status", retain: true}})
	o.restate("status")
	expect(t, o, "status=online retained", "temperature=2 retained", "response=flying", "response=a")
}

func TestRestoredEventsCount(t *testing.T) {
	o := newOutbox(2)
	o.add("r", "r", []byte("3"))
	o.restore([]publication{{flow: "r", topic: "r", payload: []byte("1")}, {flow: "r", topic: "r", payload: []byte("2")}})
	o.add("r", "r", []byte("4"))
	expect(t, o, "r=1", "r=2", "r=3")
	select {
	case <-o.wake:
	default:
		t.Error("nobody was told that there is something to publish")
	}
}
