package mqtt_test

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modferry/gateway/mqtt"
)

// doorkeeper welcomes every client, hears it out, and knows how many are there.
type doorkeeper struct {
	url     string
	present atomic.Int64
}

func newDoorkeeper(t *testing.T, connack string) *doorkeeper {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &doorkeeper{url: "tcp://" + l.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d.present.Add(1)
			serving.Go(func() {
				defer d.present.Add(-1)
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(4 * patience))
				if n, _ := c.Read(make([]byte, 4096)); n > 0 {
					_, _ = io.WriteString(c, connack)
				}
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return d
}

// Whenever a session ends while it connects, that takes no time and nothing of it is left.
func TestEndWhileConnecting(t *testing.T) {
	const ends = 100
	versions(t, func(t *testing.T, v mqtt.Version) {
		connack := connack3
		if v == mqtt.V5 {
			connack = connack5
		}
		var slow []time.Duration
		for i := range ends {
			d := newDoorkeeper(t, connack)
			within := time.Duration(i%2) * time.Minute // with it, the session connects twice
			_, end := run(t, d.url, with(v, lasting(within, "")))
			time.Sleep(rand.N(3 * time.Millisecond))
			began := time.Now()
			end()
			if took := time.Since(began); took > time.Second {
				slow = append(slow, took)
			}
			await(t, "end of the connection", func() bool { return d.present.Load() == 0 })
		}
		if len(slow) > 2 { // a busy machine stands still sometimes
			t.Errorf("%d of %d ends took %v", len(slow), ends, slow)
		}
	})
}
