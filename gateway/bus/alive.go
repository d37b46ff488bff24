package bus

import (
	"fmt"
	"sync/atomic"
	"time"
)

// A transaction ends by its own deadlines: the reply's, the silence after it, a
// reconnect. One that takes longer than all of them together can take is stuck in the
// driver, and nothing but a new process will free it.
const (
	stuckAfter    = time.Minute
	stuckTimeouts = 10 // and this many response timeouts
)

// owner is one of the goroutines that send.
type owner struct {
	until atomic.Int64 // when the present transaction is stuck, in nanoseconds since begun; 0 = none
}

// begun is where the clock of the owners starts, which no step of the wall clock moves.
var begun = time.Now()

func (o *owner) begin(timeout time.Duration) {
	o.until.Store(int64(time.Since(begun) + stuckAfter + stuckTimeouts*timeout))
}

func (o *owner) end() { o.until.Store(0) }

// Alive returns an error if a transaction hangs in the driver of the line.
func (b *Bus) Alive() error {
	for i := range b.owners {
		if until := b.owners[i].until.Load(); until != 0 && time.Since(begun) > time.Duration(until) {
			return fmt.Errorf("bus %q: a transaction hangs in the driver of its line", b.o.Name)
		}
	}
	return nil
}
