package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"modferry/configs"
	"modferry/configs/strictyaml"
	"modferry/gateway/config"
)

func gatewayCommand() *cobra.Command {
	var file, level, profiles string
	c := &cobra.Command{
		Use: "gateway -c FILE", Short: "Run the gateway",
		Long: "Runs the gateway until SIGTERM or Ctrl-C. SIGHUP, or a change of the configuration or of a file that\n" +
			"it names, has it read again; a configuration with mistakes is reported and changes nothing.",
		Example: "  modferry gateway -c gateway.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			log, err := logger(c.ErrOrStderr(), level)
			if err != nil {
				return err
			}
			useOneCore()
			useLittleMemory()
			return profiled(c.Context(), profiles, log, func(ctx context.Context) error {
				return runDaemon(ctx, file, log, func(c *config.Config) (service, error) { return newGateway(c, log) })
			})
		},
	}
	c.Flags().StringVarP(&file, "config", "c", "gateway.yaml", "configuration `FILE`")
	c.Flags().StringVar(&level, "log", "info", "log `LEVEL`: debug, info, warn, error")
	c.Flags().StringVar(&profiles, "pprof", "", "serve Go's profiles at `ADDRESS` of this machine, such as :6060")
	return c
}

// stateDir is where a gateway keeps what must survive a restart: what systemd gives
// it, or the user's state directory; "" if there is neither.
func stateDir(gateway string) string {
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "modferry", gateway)
}

// useLittleMemory has garbage collected sooner unless GOGC says otherwise: the heap is
// so small that it costs next to nothing, and memory is what an edge device lacks.
func useLittleMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// useOneCore keeps the gateway on one core unless GOMAXPROCS says otherwise. Its
// work is to hand small messages from one goroutine to the next; waking another
// core for each of them takes longer than the work itself, and the broker and the
// devices' programs beside it on a small machine need the other cores.
func useOneCore() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}

// load reads a configuration; its mistakes are the user's, one line each. It reads
// files by read, nil is the file system.
func load(file string, read func(string) ([]byte, error)) (*config.Config, error) {
	c, err := config.Load(file, config.Options{Profiles: configs.Files, ReadFile: read})
	var problems strictyaml.Problems
	if errors.As(err, &problems) {
		return nil, &usageError{problems}
	}
	if err != nil {
		return nil, usage("%w", err)
	}
	return c, nil
}

// logger writes lines of key=value to w.
func logger(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usage("--log %s: it must be debug, info, warn or error", level)
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l})), nil
}
