package broker

import (
	"context"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// limitFiles lets files become only so large until the process gets SIGUSR1, as on a
// disk that is full for some time.
func limitFiles(ctx context.Context, bytes string) {
	n, err := strconv.ParseUint(bytes, 10, 64)
	if err != nil {
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	_ = syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit)
	most := limit.Cur
	limit.Cur = n
	_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGUSR1)
	go func() {
		select {
		case <-again:
			limit.Cur = most
			_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
		case <-ctx.Done():
		}
	}()
}

var usr1 = syscall.SIGUSR1
