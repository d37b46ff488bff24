package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/gateway/gatewaytest"
)

// caller sends numbered writes at a steady rate, each once as its MQTT library does
// it: what is not acknowledged is published again after a reconnect.
type caller struct {
	app   *gatewaytest.Peer
	front *front

	mu      sync.Mutex
	sent    map[uint16]time.Time
	replies map[uint16][]string // payloads by id
	last    time.Time           // of a reply
	pause   time.Duration       // longest between two replies
	wait    time.Duration       // longest from a request to its first reply
}

const callEvery = 20 * time.Millisecond

func newCaller(t *testing.T, f *front) *caller {
	t.Helper()
	c := &caller{front: f, sent: map[uint16]time.Time{}, replies: map[uint16][]string{}}
	c.app = gatewaytest.Client(t, "tcp://"+f.addr, gatewaytest.ClientOptions{ID: "app", Version: 4, Persistent: true, Reconnect: true, Configure: func(o *paho.ClientOptions) {
		o.SetDefaultPublishHandler(c.reply) // by a session that is resumed
		o.SetResumeSubs(true)
		o.SetConnectTimeout(patience)
	}})
	token := c.app.Client.Subscribe("modferry/cluster/bus/b/response/me", 1, c.reply)
	if !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatalf("cannot subscribe: %v", token.Error())
	}
	return c
}

// send publishes until stop is closed.
func (c *caller) send(stop <-chan struct{}) error {
	tick := time.NewTicker(callEvery)
	defer tick.Stop()
	var tokens []paho.Token
	for n := uint16(1); ; n++ {
		c.mu.Lock()
		c.sent[n] = time.Now()
		c.mu.Unlock()
		tokens = append(tokens, c.app.Client.Publish("modferry/cluster/bus/b/request/me", 1, false,
			fmt.Sprintf(`{"id":%d,"unit":1,"function":6,"address":1,"values":[%d]}`, n, n)))
		select {
		case <-tick.C:
			continue
		case <-stop:
		}
		for _, token := range tokens {
			if !token.WaitTimeout(clusterPatience) {
				return errors.New("a publication was never acknowledged")
			}
			if token.Error() != nil {
				return token.Error()
			}
		}
		return nil
	}
}

func (c *caller) reply(_ paho.Client, m paho.Message) {
	var reply struct{ ID uint16 }
	if json.Unmarshal(m.Payload(), &reply) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.last.IsZero() {
		c.pause = max(c.pause, now.Sub(c.last))
	}
	c.last = now
	if c.replies[reply.ID] == nil {
		c.wait = max(c.wait, now.Sub(c.sent[reply.ID]))
	}
	c.replies[reply.ID] = append(c.replies[reply.ID], string(m.Payload()))
}

// open returns how many requests are without a reply, of those that were sent before
// end, and whether one sent after it has its reply.
func (c *caller) open(end time.Time) (before int, after bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, at := range c.sent {
		switch answered := c.replies[id] != nil; {
		case at.Before(end) && !answered:
			before++
		case at.After(end) && answered:
			after = true
		}
	}
	return before, after
}

// figures returns the longest pause and wait since it was called last.
func (c *caller) figures() (pause, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pause, wait = c.pause, c.wait
	c.pause, c.wait = 0, 0
	return pause, wait
}

// awaitRecovery waits until everything sent before a moment is answered, and something sent after it.
func (c *caller) awaitRecovery(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	for limit := time.Now().Add(clusterPatience); ; time.Sleep(callEvery) {
		before, after := c.open(since)
		if before == 0 && after {
			return time.Since(since)
		}
		if time.Now().After(limit) {
			t.Fatalf("%v later %d earlier requests are without a reply, and a later one is answered: %v", clusterPatience, before, after)
		}
	}
}

// settle compares what was asked, answered and done.
func (c *caller) settle(t *testing.T, device *ledger) {
	t.Helper()
	c.awaitAll(t)
	written := device.written()
	c.mu.Lock()
	defer c.mu.Unlock()
	again := 0
	for id := range c.sent {
		var reply struct{ OK bool }
		for _, text := range c.replies[id] {
			if err := json.Unmarshal([]byte(text), &reply); err != nil || !reply.OK {
				t.Errorf("request %d is answered with %s", id, text)
			}
		}
		again += max(0, len(c.replies[id])-1)
		if written[id] > 1 {
			t.Errorf("request %d was executed %d times", id, written[id])
		}
		if reply.OK && written[id] == 0 {
			t.Errorf("request %d is answered, but was not executed", id)
		}
	}
	t.Logf("%d requests, %d replies came again", len(c.sent), again)
}

func (c *caller) awaitAll(t *testing.T) {
	t.Helper()
	for limit := time.Now().Add(clusterPatience); ; time.Sleep(callEvery) {
		before, _ := c.open(time.Now())
		if before == 0 {
			return
		}
		if time.Now().After(limit) {
			t.Errorf("%d requests never got a reply", before)
			return
		}
	}
}
