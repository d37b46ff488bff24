package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"modferry/simulator"
	"modferry/simulator/control"
)

// controlFlags are how virtual devices are watched and disturbed; they add to what a
// configuration file says.
type controlFlags struct {
	address, tokenFile string
	faults             []string
	readyFile          string
}

func (f *controlFlags) register(s *pflag.FlagSet) {
	s.StringVar(&f.address, "control", "", "control over HTTP at `ADDRESS`; \":8081\" is 127.0.0.1:8081, port 0 picks a free one")
	s.StringVar(&f.tokenFile, "control-token-file", "", "`FILE` with the token that each request to the control needs")
	s.StringArrayVar(&f.faults, "fault", nil, "a `FAULT`, such as \"functions: read, every: 10, delay: 500ms\"; may be repeated")
	s.StringVar(&f.readyFile, "ready-file", "", "write the addresses to `FILE` as one JSON line, as soon as they can be used")
}

// apply adds what the flags say to a configuration.
func (f controlFlags) apply(c *simulator.Config) error {
	if len(c.Lines) > 0 && (f.address != "" || f.tokenFile != "" || len(f.faults) > 0) {
		return usage("--control and --fault are for one line, and the configuration has several: say in the file of which")
	}
	if f.address != "" {
		c.Control.Address = f.address
	}
	if f.tokenFile != "" {
		if c.Control.Address == "" {
			return usage("--control-token-file: there is no control that needs it; add --control ADDRESS")
		}
		token, err := simulator.ReadToken(f.tokenFile)
		if err != nil {
			return usage("--control-token-file: %w", err)
		}
		c.Control.Token = token
	}
	for _, text := range f.faults {
		fault, err := simulator.ParseFault([]byte(text))
		if err != nil {
			return usage("--fault %q: %w", text, err)
		}
		c.Faults = append(c.Faults, fault)
	}
	return nil
}

// controlled is a simulator and its control, which may be nil.
type controlled struct {
	*simulator.Simulator
	control *control.Server
}

// listen opens the control that the configuration asks for; on an error it closes the simulator.
func listen(s *simulator.Simulator, o simulator.ControlOptions, log *slog.Logger) (controlled, error) {
	if o.Address == "" {
		return controlled{s, nil}, nil
	}
	c, err := control.Listen(s, control.Options{Address: o.Address, Token: o.Token, Logger: log})
	if err != nil {
		return controlled{}, errors.Join(fmt.Errorf("cannot start the control: %w", err), s.Close())
	}
	return controlled{s, c}, nil
}

// places returns where everything is reached.
func (c controlled) places() simulator.Places {
	at := c.Places()
	if c.control != nil {
		at.Control = c.control.URL()
	}
	return at
}

// run runs both until ctx ends or one fails.
func (c controlled) run(ctx context.Context) error {
	if c.control == nil {
		return c.Run(ctx)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.Run(ctx) })
	group.Go(func() error { return c.control.Serve(ctx) })
	return group.Wait()
}

// close gives up what is not run.
func (c controlled) close() {
	_ = c.Close() // nothing was used yet
	if c.control != nil {
		_ = c.control.Close()
	}
}

// ready writes the addresses to a file, which is whole as soon as it is there.
func (f controlFlags) ready(at []simulator.Places) error {
	if f.readyFile == "" {
		return nil
	}
	t, err := os.CreateTemp(filepath.Dir(f.readyFile), ".ready-*")
	if err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}
	err = errors.Join(printPlaces(t, at), t.Close())
	if err == nil {
		err = os.Rename(t.Name(), f.readyFile)
	}
	if err != nil {
		_ = os.Remove(t.Name()) // it is of no use
		return fmt.Errorf("--ready-file: %w", err)
	}
	return nil
}
