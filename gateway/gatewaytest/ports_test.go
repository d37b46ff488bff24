package gatewaytest

import (
	"sync"
	"testing"
)

// No two tests get the same port, in one process or in two.
func TestPortsAreGivenOutOnce(t *testing.T) {
	const tests = 50
	given := map[int]bool{}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for range 2 {
		b, err := takeBlock() // another one each time, as another process would
		if err != nil {
			t.Fatal(err)
		}
		defer b.taken.Close()
		for range tests {
			asking.Go(func() {
				port, err := b.free()
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				given[port] = true
			})
		}
	}
	asking.Wait()
	if len(given) != 2*tests {
		t.Errorf("%d ports for %d tests", len(given), 2*tests)
	}
}

// A port at which somebody listens is left out.
func TestTakenPortIsNotGivenOut(t *testing.T) {
	b, err := takeBlock()
	if err != nil {
		t.Fatal(err)
	}
	defer b.taken.Close()
	l, err := listen(b.first + 1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if port, err := b.free(); port == b.first+1 || err != nil {
		t.Errorf("port %d, %v", port, err)
	}
}
