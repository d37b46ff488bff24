package mqtt

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// welcoming accepts every connection, welcomes its client and listens.
func welcoming(t *testing.T) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_ = c.SetDeadline(time.Now().Add(testPatience))
				if n, _ := c.Read(make([]byte, 4096)); n > 0 {
					_, _ = io.WriteString(c, "\x20\x02\x00\x00")
				}
				_, _ = io.Copy(io.Discard, c)
				c.Close()
			})
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return "tcp://" + l.Addr().String()
}

// slowStore keeps the library busy between the CONNACK and the end of its Connect.
type slowStore struct {
	paho.Store
	busy, free chan struct{}
}

func (s slowStore) All() []string {
	close(s.busy)
	<-s.free
	return s.Store.All()
}

// A connection that is given up just when the broker has accepted it is not left behind:
// the library would keep it for a whole keep alive, and refuse to make another.
func TestGivenUpWhenTheBrokerHasAccepted(t *testing.T) {
	url := welcoming(t)
	for name, give := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": context.WithCancel,
		"too late": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			return deadline{ctx}, cancel
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := slowStore{paho.NewMemoryStore(), make(chan struct{}), make(chan struct{})}
			v := newV3((&Options{URL: url, ClientID: "gateway", KeepAlive: 30 * time.Second}).withDefaults(), func(arrival) {})
			v.store = store
			client := paho.NewClient(v.options().SetCleanSession(false))
			ctx, giveUp := give(t.Context())
			defer giveUp()
			ended := make(chan error, 1)
			go func() { ended <- v.open(ctx, client) }()
			<-store.busy
			giveUp()
			for !v.present().over() {
				time.Sleep(time.Millisecond)
			}
			close(store.free)
			began := time.Now()
			if err := <-ended; err == nil {
				t.Error("a connection that was given up is there")
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %v", took)
			}
			if client.IsConnectionOpen() {
				t.Error("the library goes on with it")
				client.Disconnect(100)
			}
		})
	}
}

// deadline is a context that ends as if its time were over.
type deadline struct{ context.Context }

func (d deadline) Err() error {
	if d.Context.Err() != nil {
		return context.DeadlineExceeded
	}
	return nil
}
