package broker

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/semaphore"
)

// receiving bounds the memory of large packets that are on their way in.
type receiving struct{ bytes *semaphore.Weighted }

func newReceiving(bytes int) receiving {
	return receiving{semaphore.NewWeighted(int64(max(bytes, maxPacket)))}
}

var errNoRoom = errors.New("too many large packets are being received")

// take waits for room for a packet. The caller calls free, once or more often.
func (r receiving) take(ctx context.Context, size int) (free func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, roomTimeout)
	defer cancel()
	if r.bytes.Acquire(ctx, int64(size)) != nil {
		return nil, errNoRoom
	}
	return sync.OnceFunc(func() { r.bytes.Release(int64(size)) }), nil
}
