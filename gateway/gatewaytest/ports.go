package gatewaytest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// The ports that tests give to programs, in blocks of which each test process has one.
// They are below those that systems give out themselves, so that a server which is
// killed and started again finds its port.
const (
	firstPort = 20000
	blockSize = 600
	blocks    = 20
)

// block is the ports that one process gives out, in turn.
type block struct {
	first int
	taken net.Listener // at the first port, which is not given out, as long as the process lives

	mu   sync.Mutex
	last int
}

var ownBlock = sync.OnceValues(takeBlock)

// takeBlock takes one that no other process has.
func takeBlock() (*block, error) {
	start := rand.IntN(blocks)
	for i := range blocks {
		first := firstPort + (start+i)%blocks*blockSize
		if l, err := listen(first); err == nil {
			return &block{first: first, taken: l}, nil
		}
	}
	return nil, fmt.Errorf("%d test processes have all ports", blocks)
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
}

// free returns the next port that nobody listens at.
func (b *block) free() (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range blockSize - 1 {
		b.last = b.last%(blockSize-1) + 1
		if l, err := listen(b.first + b.last); err == nil {
			return b.first + b.last, l.Close()
		}
	}
	return 0, errors.New("no port of this test process is free")
}

// FreePort returns a TCP port of 127.0.0.1 that is free, and that no other test gets
// soon, in this process or another. Where a program can choose a port itself (port 0), let it.
func FreePort(t testing.TB) int {
	t.Helper()
	b, err := ownBlock()
	if err != nil {
		t.Fatal(err)
	}
	port, err := b.free()
	if err != nil {
		t.Fatal(err)
	}
	return port
}
