package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"modferry/gateway"
	"modferry/gateway/gatewaytest"
	"modferry/gateway/store/storetest"
)

// quietText is a log that is written by many and read at the end.
type quietText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (q *quietText) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.text.Write(p)
}

func (q *quietText) lines() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return strings.Split(strings.TrimSpace(q.text.String()), "\n")
}

// However many writes find a disk that does not take them, the log says so once a minute.
func TestWritesWithoutADiskDoNotFillTheLog(t *testing.T) {
	t.Parallel()
	dir, _ := storetest.Unusable(t)
	p := newCounter(t)
	var log quietText
	g, err := gateway.New(parse(t, fmt.Sprintf("gateway: w\nbroker: {mqtt: 127.0.0.1:0}\ndata_dir: %q\nbuses: {b: {tcp: %q, allow: [{}]}}\n", dir, p.addr)),
		slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-g.Ready()
	app := gatewaytest.Client(t, "tcp://"+g.Addresses().MQTT.String(), gatewaytest.ClientOptions{})
	in := app.Subscribe("modferry/w/bus/b/response/me", 1)
	const writes = 50
	for i := range writes {
		request := fmt.Sprintf("01060032%04X", i)
		app.Publish("modferry/w/bus/b/request/me", 1, false, request)
		in.Await(patience, func(m gatewaytest.Message) bool { return strings.HasPrefix(string(m.Payload), request) })
	}
	said := 0
	for _, line := range log.lines() {
		if strings.Contains(line, "a restart would not remember") {
			said++
		}
	}
	if said != 1 || len(log.lines()) >= writes {
		t.Errorf("%d writes are warned of %d times, in a log of %d lines", writes, said, len(log.lines()))
	}
}
