package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"modferry/configs/strictyaml"
	"modferry/gateway"
	"modferry/gateway/config"
	"modferry/gateway/config/watch"
)

// service is a gateway, as far as a daemon knows it.
type service interface {
	Run(ctx context.Context) error
	Reload(c *config.Config) error // gateway.ErrRestart = only a new service can be so
	health
}

// health says how a service is; nil = well.
type health interface {
	Live() error      // why it is stuck
	Connected() error // why it is not at its broker
}

// daemon keeps a service running with what its configuration file says: a signal or a
// change of the file, or of a file that it names, has it read again. One that is wrong
// changes nothing.
type daemon struct {
	file    string
	log     *slog.Logger
	start   func(*config.Config) (service, error)
	systemd *systemd

	files  *watch.Watcher // nil = only the signal tells of changes
	hangup chan os.Signal
	stuck  bool   // that the service is stuck was said
	what   string // the status that was told, but for the connection
}

// runDaemon reads the configuration, runs the service until ctx ends, and waits for
// everything it started.
func runDaemon(ctx context.Context, file string, log *slog.Logger, start func(*config.Config) (service, error)) error {
	ctx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer stop()
	d := &daemon{file: file, log: log, start: start, systemd: newSystemd(log), hangup: make(chan os.Signal, 1)}
	signal.Notify(d.hangup, syscall.SIGHUP)
	defer signal.Stop(d.hangup)
	var err error
	if d.files, err = watch.New(log); err != nil {
		log.Warn("changes of the configuration are not noticed: send SIGHUP after one", "error", err)
	} else {
		watching.Go(func() { d.files.Run(ctx) })
	}
	c, err := d.load()
	if err != nil {
		return err
	}
	return d.run(ctx, c)
}

// load reads the configuration, and has the files it consists of watched.
func (d *daemon) load() (*config.Config, error) {
	read := &watch.Files{}
	c, err := load(d.file, read.ReadFile)
	if d.files != nil {
		d.files.Watch(read)
	}
	if err != nil {
		return nil, err
	}
	for _, w := range c.Warnings {
		d.log.Warn(w.String())
	}
	if c.DataDir == "" {
		if c.DataDir = stateDir(c.Gateway); c.DataDir == "" {
			d.log.Warn("there is no folder for what must survive a restart: set data_dir")
		}
	}
	return c, nil
}

// run runs one service after the other. The first must start; a later one that does
// not is replaced by the one before it.
func (d *daemon) run(ctx context.Context, c *config.Config) error {
	var before *config.Config
	for {
		s, err := d.start(c)
		if err != nil && before != nil {
			d.log.Error("cannot start the gateway with the changed configuration, the one before it stays", "error", err)
			c = before
			s, err = d.start(c)
		}
		if err != nil {
			return fmt.Errorf("cannot start the gateway: %w", err)
		}
		next, err := d.serve(ctx, s, c)
		if next == nil || ctx.Err() != nil {
			return err
		}
		if err != nil {
			d.log.Warn("the gateway ended with an error", "error", err)
		}
		before, c = c, next
	}
}

// serve runs one service until ctx ends, or it ends by itself, or next needs another one.
func (d *daemon) serve(ctx context.Context, s service, c *config.Config) (next *config.Config, err error) {
	work, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(work) }()
	d.ready(s, c)
	beat, stopBeat := ticks(d.systemd.beat)
	defer stopBeat()
	for next == nil {
		select {
		case err := <-ended:
			return nil, err
		case <-ctx.Done():
			d.systemd.stopping()
			return nil, <-ended
		case <-d.hangup:
			next = d.reload(s)
		case <-d.changed():
			next = d.reload(s)
		case <-beat:
			d.beat(s)
		}
	}
	stop()
	return next, <-ended
}

func (d *daemon) changed() <-chan struct{} {
	if d.files == nil {
		return nil
	}
	return d.files.Changed()
}

// reload reads the configuration again. It returns the new one if that needs another service.
func (d *daemon) reload(s service) (next *config.Config) {
	d.systemd.reloading()
	c, err := d.load()
	if err != nil {
		d.complain(err)
		d.what = "the changed configuration has mistakes, the one before it stays"
		d.systemd.ready(d.status(s))
		return nil
	}
	switch err := s.Reload(c); {
	case err == nil:
		d.log.Info("configuration reloaded", "file", d.file)
	case errors.Is(err, gateway.ErrRestart):
		d.log.Info("configuration reloaded, the gateway starts anew", "file", d.file)
		return c
	default:
		d.log.Error("the changed configuration is not used, the one before it stays", "error", err)
		d.what = "the changed configuration cannot be used, the one before it stays"
		d.systemd.ready(d.status(s))
		return nil
	}
	d.ready(s, c)
	return nil
}

// complain logs each mistake in a line of its own.
func (d *daemon) complain(err error) {
	d.log.Error("the changed configuration has mistakes, the one before it stays", "file", d.file)
	var problems strictyaml.Problems
	if !errors.As(err, &problems) {
		d.log.Error(err.Error())
		return
	}
	for _, p := range problems {
		d.log.Error(p.String())
	}
}

// ready tells that the service is at work with a configuration.
func (d *daemon) ready(s health, c *config.Config) {
	d.what = fmt.Sprintf("gateway %s, %s, %s", c.Gateway, count(len(c.Buses), "bus", "buses"), count(len(c.Devices), "device", "devices"))
	d.systemd.ready(d.status(s))
}

// status is what systemctl status shows.
func (d *daemon) status(s health) string {
	if err := s.Connected(); err != nil {
		return fmt.Sprintf("%s: %v", d.what, err)
	}
	return d.what + ": connected to the broker"
}

// beat tells how the service is, and gives a sign of life unless it is stuck: then
// systemd ends it.
func (d *daemon) beat(s health) {
	d.systemd.status(d.status(s))
	err := s.Live()
	if err == nil {
		d.systemd.isAlive()
	} else if !d.stuck {
		d.log.Error("the gateway is stuck, and no sign of life goes to the service manager", "error", err)
	}
	d.stuck = err != nil
}

// ticks is a ticker that never ticks for 0.
func ticks(every time.Duration) (<-chan time.Time, func()) {
	if every <= 0 {
		return nil, func() {}
	}
	t := time.NewTicker(every)
	return t.C, t.Stop
}
