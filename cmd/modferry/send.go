package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"modferry/gateway/message"
	"modferry/gateway/remote"
	"modferry/modbus/explain"
	"modferry/modbus/transport"
)

// sendFlags say over what a request goes: a broker, a TCP server or a serial port.
type sendFlags struct {
	busFlags
	tcp, udp, tls, framing string
	serial, parity, mode   string
	baud, stopBits         int
	json                   bool
}

func sendCommand() *cobra.Command {
	var f sendFlags
	c := &cobra.Command{
		Args: cobra.ArbitraryArgs,
		Use:  "send [FRAME]", Short: "Send one request over MQTT, TCP or a serial port and explain the reply",
		Long: "Sends one Modbus request, given as hex text with or without its check code, and explains the reply.\n" +
			"It goes through a gateway (--broker, --gateway, --bus) or directly to a device (--tcp, --udp, --tls or --serial).\n" +
			"Without a frame, on a terminal, it asks for one after the other.\n" +
			"The exit code is 0 only if a device answered without an exception.",
		Example: "  modferry send --broker mqtt://127.0.0.1:1883 --gateway demo --bus line \"01 04 00 01 00 02\"\n" +
			"  modferry send --tcp 127.0.0.1:5020 010400010002\n" +
			"  modferry send --serial /dev/ttyUSB0 --baud 9600 010400010002200B",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				in, isFile := c.InOrStdin().(*os.File)
				out, isToo := c.OutOrStdout().(*os.File)
				if !isFile || !isToo || !isTerminal(in) || !isTerminal(out) {
					return errNoFrame
				}
				return f.talk(c.Context(), in, out)
			}
			return send(c.Context(), f, strings.Join(args, " "), c.OutOrStdout())
		},
	}
	f.register(c)
	s := c.Flags()
	s.DurationVar(&f.timeout, "timeout", 5*time.Second, "how long to wait for the reply")
	s.BoolVar(&f.json, "json", false, "print the result as JSON")
	return c
}

var errNoFrame = usage("there is no frame: give one as hex digits, such as \"01 04 00 01 00 02\": see modferry send --help")

func send(ctx context.Context, f sendFlags, text string, out io.Writer) error {
	request, err := requestOf(text)
	if err != nil {
		return err
	}
	s, err := f.sender(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	start := time.Now()
	reply, err := s.exchange(ctx, text, request) // as the request was written
	if err != nil {
		return err
	}
	if reply == nil {
		_, err := fmt.Fprintln(out, "sent to all devices (unit 0): a broadcast is not answered")
		return err
	}
	return show(out, f.json, explain.Reply([]byte(text), reply), time.Since(start))
}

// sender is an open way for one request after the other. Replies are written as their
// requests; nil is that of a broadcast.
type sender struct {
	flags sendFlags
	line  transport.Transporter // nil = by a gateway
	bus   *remote.Bus
	close func()
}

// sender opens the way that the flags name; only a broker is connected to at once.
func (f sendFlags) sender(ctx context.Context) (*sender, error) {
	if err := f.checkWay(); err != nil {
		return nil, err
	}
	if f.broker != "" {
		o, err := f.remote(nil)
		if err != nil {
			return nil, err
		}
		bus, leave := visit(ctx, o)
		return &sender{f, nil, bus, leave}, nil
	}
	line, err := f.line()
	if err != nil {
		return nil, err
	}
	return &sender{f, line, nil, func() { _ = line.Close() }}, nil // no transaction is under way
}

func (s *sender) exchange(ctx context.Context, text string, r *message.Request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.flags.timeout)
	defer cancel()
	if s.line == nil {
		reply, err := s.bus.Exchange(ctx, text)
		return reply, s.flags.explain(err)
	}
	packager := s.line.Framing().Packager(r.Unit)
	adu, err := packager.Encode(&r.PDU)
	if err != nil {
		return nil, err
	}
	reply, err := s.line.SendContext(ctx, adu)
	if err != nil || reply == nil { // a broadcast
		return nil, err
	}
	pdu, err := packager.Decode(reply)
	if err != nil {
		return nil, err
	}
	return r.Reply(message.Result{Reply: *pdu}), nil
}

// show prints the reply; an exception, or what is no good reply, makes the command fail.
func show(out io.Writer, asJSON bool, reply explain.Explanation, took time.Duration) error {
	failed := reply.Kind == explain.Exception || !reply.Good()
	if asJSON {
		return failedIf(failed, json.NewEncoder(out).Encode(struct {
			OK bool `json:"ok"`
			explain.Explanation
			ElapsedMS float64 `json:"elapsed_ms"`
		}{!failed, reply, float64(took.Microseconds()) / 1000}))
	}
	_, err := fmt.Fprintf(out, "%s\n\n%s", reply.Frame, reply.String())
	return failedIf(failed, err)
}

func failedIf(failed bool, err error) error {
	if err == nil && failed {
		return errSilent
	}
	return err
}
