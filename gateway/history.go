package gateway

import (
	"context"
	"time"

	"modferry/gateway/message"
)

// replayAgain is how long a batch of readings waits after it could not be delivered.
const replayAgain = time.Second

// missed keeps a sample that the broker does not get. That a value has become stale is
// no reading of the device.
func (g *Gateway) missed(device, reading string, sample []byte) {
	if !message.IsGood(sample) {
		return
	}
	g.backlog.Add(message.AppendRecord(nil, device, reading, sample))
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
