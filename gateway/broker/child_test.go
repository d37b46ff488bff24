package broker

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"modferry/gateway/gatewaytest"
)

// The test program is a broker when it finds these in its environment.
const (
	childDir   = "MODFERRY_BROKER_DIR"   // Options.Dir, "-" = in memory
	childLimit = "MODFERRY_BROKER_LIMIT" // bytes that a file may have, until SIGUSR1; "" = any number
)

func child() int {
	o := Options{Listen: "127.0.0.1:0", Dir: os.Getenv(childDir), Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if o.Dir == "-" {
		o.Dir = ""
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	limitFiles(ctx, os.Getenv(childLimit))
	b, err := New(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("listening", b.Addr())
	if err := b.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// process is a broker in a process of its own.
type process struct {
	*gatewaytest.Process
	*running
}

func start(t *testing.T, dir string, environment ...string) process {
	t.Helper()
	arguments := append([]string{childDir + "=" + dir}, environment...)
	p := gatewaytest.StartProgram(t, gatewaytest.Need(t, "env"), append(arguments, os.Args[0])...)
	return process{p, away(strings.TrimPrefix(p.Line("listening"), "listening "))}
}

// away is a broker that another process runs.
func away(address string) *running { return &running{address: address, tcp: "tcp://" + address} }

func bufioReader(b []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(b)) }
