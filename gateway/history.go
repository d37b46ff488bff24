package gateway

import (
	"context"
	"time"

	"modferry/gateway/message"
)

// replayAgain is how long a batch of readings waits after it could not be delivered.
const replayAgain = time.Second

// missed returns what keeps a reading that the broker does not get.
func (g *Gateway) missed(device, reading string, s message.Sample) func() {
	return func() {
		g.backlog.Add(message.AppendRecord(nil, message.Record{Device: device, Reading: reading, Sample: s}))
	}
}

// replay publishes what was kept, whenever the broker is there.
func (g *Gateway) replay(ctx context.Context) {
	for {
		err := g.backlog.Replay(ctx, func(ctx context.Context, payload []byte) error {
			return g.session.Deliver(ctx, g.topics.History(), payload)
		})
		if ctx.Err() != nil {
			return
		}
		g.log.Debug("readings that were kept could not be published, trying again", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(replayAgain):
		}
	}
}
