package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"modferry/gateway/tunnel"
	"modferry/modbus/terminal"
)

// tunnelFlags say where a bus of a gateway is, and where it is given to tools.
type tunnelFlags struct {
	busFlags
	listen, rtu, pty string
	json             bool
	log              string
}

func tunnelCommand() *cobra.Command {
	var f tunnelFlags
	c := &cobra.Command{
		Use: "tunnel --broker URL --gateway NAME --bus NAME", Short: "Give Modbus tools the bus of a gateway elsewhere, as if it were here",
		Long: "Listens for Modbus TCP (--listen), RTU over TCP (--rtu) and RTU on a pseudo terminal (--pty), and sends the\n" +
			"requests over MQTT to the bus of a gateway, whose rules hold for them. Where there is no way to the bus, or no\n" +
			"answer of a device, the tool gets the Modbus exception 0A or 0B. Modbus has no passwords: who reaches the\n" +
			"listener reaches the bus with the rights of this client.",
		Example: "  modferry tunnel --broker mqtt://192.0.2.1 --gateway hall --bus line --listen :1502\n" +
			"  modferry tunnel --broker mqtts://192.0.2.1 --username bob --gateway hall --bus line --pty /tmp/ttyHALL",
		RunE: func(c *cobra.Command, _ []string) error {
			log, err := logger(c.ErrOrStderr(), f.log)
			if err != nil {
				return err
			}
			return f.run(c.Context(), c.OutOrStdout(), log)
		},
	}
	f.register(c)
	s := c.Flags()
	s.Lookup("broker").DefValue, f.broker = "mqtt://127.0.0.1:1883", "mqtt://127.0.0.1:1883"
	s.StringVar(&f.listen, "listen", "", "serve Modbus TCP at `ADDRESS`; \":1502\" is 127.0.0.1:1502, port 0 picks a free one (default :1502 if there is no --rtu and no --pty)")
	s.StringVar(&f.rtu, "rtu", "", "serve RTU over TCP at `ADDRESS`")
	s.StringVar(&f.pty, "pty", "", "create a pseudo terminal for RTU and link it at `PATH`")
	s.DurationVar(&f.timeout, "timeout", 5*time.Second, "how long to wait for each reply")
	s.BoolVar(&f.json, "json", false, "print the addresses as one JSON line")
	s.StringVar(&f.log, "log", "warn", "log `LEVEL`: debug, info, warn, error")
	return c
}

// brokerPatience is how long a request waits for the broker: tools often wait a second
// for their reply, and are to have exception 0A before that.
const brokerPatience = 700 * time.Millisecond

// entrances are what tools connect to; nil where there is none.
type entrances struct {
	tcp, rtu net.Listener
	terminal *terminal.Terminal
	link     string // to it
}

func (f tunnelFlags) run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	if f.timeout <= 0 {
		return usage("--timeout %v: it must be above 0", f.timeout)
	}
	o, err := f.remote(log)
	if err != nil {
		return err
	}
	o.Patience = brokerPatience
	e, err := f.open()
	if err != nil {
		return err
	}
	if err := e.greet(out, f.json, o.Client); err != nil {
		e.close()
		return err
	}
	bus, leave := visit(ctx, o)
	defer leave()
	return e.serve(ctx, tunnel.New(tunnel.Options{Bus: bus, Timeout: f.timeout, Logger: log}))
}

func (f tunnelFlags) open() (e *entrances, err error) {
	e = &entrances{}
	if f.listen == "" && f.rtu == "" && f.pty == "" {
		f.listen = ":1502"
	}
	if f.listen != "" {
		e.tcp, err = net.Listen("tcp", local(f.listen))
	}
	if f.rtu != "" && err == nil {
		e.rtu, err = net.Listen("tcp", local(f.rtu))
	}
	if f.pty != "" && err == nil {
		e.terminal, err = terminal.Open(f.pty)
		e.link = f.pty
	}
	if err != nil {
		e.close()
		return nil, fmt.Errorf("cannot open the tunnel: %w", err)
	}
	return e, nil
}

func (e *entrances) close() {
	for _, l := range []net.Listener{e.tcp, e.rtu} {
		if l != nil {
			_ = l.Close() // nobody has connected
		}
	}
	if e.terminal != nil {
		_ = e.terminal.Close() // likewise
	}
}

// serve serves all until ctx ends or one fails.
func (e *entrances) serve(ctx context.Context, t *tunnel.Tunnel) error {
	all, ctx := errgroup.WithContext(ctx)
	serve := func(serve func() error) {
		all.Go(func() error {
			if err := serve(); err != nil && ctx.Err() == nil {
				return err
			}
			return nil
		})
	}
	if e.tcp != nil {
		serve(func() error { return t.ServeTCP(ctx, e.tcp) })
	}
	if e.rtu != nil {
		serve(func() error { return t.ServeRTU(ctx, e.rtu) })
	}
	if e.terminal != nil {
		serve(func() error { return errors.Join(t.ServeLine(ctx, e.terminal), e.terminal.Close()) })
	}
	return all.Wait()
}

// greet says where tools connect to.
func (e *entrances) greet(out io.Writer, asJSON bool, client string) error {
	at := struct {
		TCP    string `json:"tcp,omitempty"`
		RTU    string `json:"rtu,omitempty"`
		PTY    string `json:"pty,omitempty"`
		Client string `json:"client"`
	}{Client: client}
	if e.tcp != nil {
		at.TCP = e.tcp.Addr().String()
	}
	if e.rtu != nil {
		at.RTU = e.rtu.Addr().String()
	}
	if e.terminal != nil {
		at.PTY = e.link
	}
	if asJSON {
		return json.NewEncoder(out).Encode(at)
	}
	for _, line := range [][2]string{{"Modbus TCP", at.TCP}, {"RTU over TCP", at.RTU}, {"pseudo terminal", at.PTY}} {
		if line[1] != "" {
			fmt.Fprintf(out, "%-16s %s\n", line[0], line[1])
		}
	}
	_, err := fmt.Fprintf(out, "The gateway knows this tunnel as client %s. Ctrl-C ends it.\n", client)
	return err
}
