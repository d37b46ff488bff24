package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"modferry/gateway/message"
	"modferry/gateway/mqtt"
	"modferry/gateway/remote"
	"modferry/modbus"
	"modferry/simulator/recording"
)

// way is an open way to devices.
type way struct {
	recording.Asker
	name  string // for people
	close func()
}

// way opens the way that the flags name; only a broker is connected to at once.
func (f sendFlags) way(ctx context.Context) (*way, error) {
	if err := f.checkWay(); err != nil {
		return nil, err
	}
	if f.broker != "" {
		o, err := f.remote(nil)
		if err != nil {
			return nil, err
		}
		bus, leave := visit(ctx, o)
		return &way{patient{f.busFlags, bus}, bus.Name(), leave}, nil
	}
	line, err := f.line()
	if err != nil {
		return nil, err
	}
	return &way{recording.Line{Transporter: line, Timeout: f.timeout}, f.tcp + f.udp + f.tls + f.serial, func() { _ = line.Close() }}, nil
}

// patient asks through a gateway, and waits so long for each reply.
type patient struct {
	flags busFlags
	bus   *remote.Bus
}

func (p patient) Ask(ctx context.Context, unit byte, q modbus.PDU) (modbus.PDU, error) {
	ctx, cancel := context.WithTimeout(ctx, p.flags.timeout)
	defer cancel()
	reply, err := p.bus.Ask(ctx, unit, q)
	return reply, p.flags.explain(err)
}

// visit connects to a bus of a gateway, until leave is called.
func visit(ctx context.Context, o remote.Options) (bus *remote.Bus, leave func()) {
	bus = remote.New(o)
	visit, stop := context.WithCancel(context.WithoutCancel(ctx))
	left := make(chan struct{})
	go func() { defer close(left); bus.Run(visit) }()
	return bus, func() { stop(); <-left }
}

// remote says where the bus is that the flags name.
func (f busFlags) remote(log *slog.Logger) (o remote.Options, err error) {
	o = remote.Options{Logger: log, URL: f.broker, Username: f.username, Bus: f.bus, Request: f.request, Response: f.response, Client: f.client, Prefix: f.prefix}
	switch {
	case o.Client != "":
	case message.ValidName(f.username): // access rules of brokers go by it
		o.Client = f.username
	default:
		o.Client = f.kind + "-" + rand.Text()[:8]
	}
	if f.prefix == "" {
		o.Prefix = "modferry/" + f.gateway
	}
	if f.prefix == "" && !message.ValidName(f.gateway) || !message.ValidName(f.bus) || !message.ValidName(o.Client) {
		return o, usage("--broker needs --gateway and --bus; a name has 1 to 64 letters, digits, _ or -")
	}
	if o.Password, err = f.password(); err != nil {
		return o, err
	}
	o.TLS, err = mqtt.TLS(f.ca, f.cert, f.key, "")
	return o, err
}

func (f busFlags) password() (string, error) {
	if f.passwordFile == "" {
		return os.Getenv("MODFERRY_PASSWORD"), nil
	}
	text, err := os.ReadFile(f.passwordFile)
	if err != nil {
		return "", usage("--password-file: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// explain says what is wrong in words that fit the flags.
func (f busFlags) explain(err error) error {
	var refused *remote.Refused
	var silent *remote.Silent
	switch {
	case errors.As(err, &refused) && refused.Exception == 0 && !refused.Answered:
		return fmt.Errorf("the gateway refuses the message (%s): %s", refused.Code, refused.Message)
	case errors.As(err, &refused) && refused.Code == message.Timeout:
		return fmt.Errorf("no reply of the device (%s): %s", refused.Code, refused.Message)
	case errors.As(err, &refused) && refused.Code == message.Unavailable:
		return fmt.Errorf("the gateway cannot reach the line (%s): %s", refused.Code, refused.Message)
	case errors.As(err, &refused):
		return fmt.Errorf("the gateway refuses the request (%s): %s", refused.Code, refused.Message)
	case errors.As(err, &silent):
		return fmt.Errorf("no reply within %s: %w", f.timeout, err)
	}
	if err != nil { // what is a key of a configuration elsewhere is a flag here
		if flags := inFlags.Replace(err.Error()); flags != err.Error() {
			return errors.New(flags)
		}
	}
	return err
}

var inFlags = strings.NewReplacer("mqtt.username", "--username", "mqtt.password_file", "--password-file", "mqtt.url", "--broker", "mqtt.tls.cert", "--cert", "mqtt.tls.key", "--key", "mqtt.tls.ca", "--ca")
