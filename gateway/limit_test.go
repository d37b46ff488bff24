package gateway

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestRateIsKeptForEachClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(5)
		for _, client := range []string{"a", "b"} {
			allowed := 0
			for range 100 {
				if l.allow(client) {
					allowed++
				}
			}
			if allowed != 5 {
				t.Errorf("client %s: %d requests at once, want 5", client, allowed)
			}
		}
		allowed := 0
		for range 1000 {
			time.Sleep(10 * time.Millisecond)
			if l.allow("a") {
				allowed++
			}
		}
		if allowed < 49 || allowed > 51 {
			t.Errorf("%d requests in ten seconds, want 50", allowed)
		}
	})
}

func TestRateLimiterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1)
		for i := range 3 * maxClients {
			l.allow(fmt.Sprint(i))
		}
		if len(l.clients) > maxClients {
			t.Errorf("%d clients are kept", len(l.clients))
		}
		if l.allow("one more") {
			t.Error("clients beyond the limit do not share one rate")
		}
		time.Sleep(time.Second)
		if !l.allow("later") {
			t.Error("quiet clients are never forgotten")
		}
	})
}

func TestNoRateIsNoLimit(t *testing.T) {
	l := newLimiter(0)
	for range 1000 {
		if !l.allow("a") {
			t.Fatal("refused")
		}
	}
}
