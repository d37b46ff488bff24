package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"modferry/gateway/message"
	"modferry/modbus/explain"
)

// sendFlags say over what a request goes: a broker, a TCP server or a serial port.
type sendFlags struct {
	busFlags
	tcp, udp, tls, framing string
	cert, key              string
	serial, parity, mode   string
	baud, stopBits         int
	json                   bool
}

func sendCommand() *cobra.Command {
	var f sendFlags
	c := &cobra.Command{
		Use: "send FRAME", Short: "Send one request over MQTT, TCP or a serial port and explain the reply",
		Long: "Sends one Modbus request, given as hex text with or without its check code, and explains the reply.\n" +
			"It goes through a gateway (--broker, --gateway, --bus) or directly to a device (--tcp, --udp, --tls or --serial).\n" +
			"The exit code is 0 only if a device answered without an exception.",
		Example: "  modferry send --broker mqtt://127.0.0.1:1883 --gateway demo --bus line \"01 04 00 01 00 02\"\n" +
			"  modferry send --tcp 127.0.0.1:5020 010400010002\n" +
			"  modferry send --serial /dev/ttyUSB0 --baud 9600 010400010002200B",
		Args: needFrame,
		RunE: func(c *cobra.Command, args []string) error {
			return send(c.Context(), f, strings.Join(args, " "), c.OutOrStdout())
		},
	}
	f.register(c)
	s := c.Flags()
	s.DurationVar(&f.timeout, "timeout", 5*time.Second, "how long to wait for the reply")
	s.BoolVar(&f.json, "json", false, "print the result as JSON")
	return c
}

// needFrame: a frame may be given as one argument or, without quotes, as several.
func needFrame(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("there is no frame: give one as hex digits, such as \"01 04 00 01 00 02\"")
	}
	return nil
}

func send(ctx context.Context, f sendFlags, text string, out io.Writer) error {
	request, err := message.Decode([]byte(text), message.Options{})
	if err != nil {
		return usage("this is not a request: %w", err)
	}
	if request.Form == message.JSON {
		return usage("send takes a frame as hex text, not JSON")
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	start := time.Now()
	var reply []byte // as the request was written
	if err := f.checkWay(); err != nil {
		return err
	}
	if f.broker != "" {
		reply, err = f.throughGateway(ctx, text)
	} else {
		reply, err = f.directly(ctx, request)
	}
	if err != nil {
		return err
	}
	if reply == nil {
		_, err := fmt.Fprintln(out, "sent to all devices (unit 0): a broadcast is not answered")
		return err
	}
	return show(out, f.json, explain.Reply([]byte(text), reply), time.Since(start))
}

// directly makes the transaction on the line itself.
func (f sendFlags) directly(ctx context.Context, r *message.Request) ([]byte, error) {
	line, err := f.line()
	if err != nil {
		return nil, err
	}
	defer func() { _ = line.Close() }() // the transaction is over either way
	packager := line.Framing().Packager(r.Unit)
	adu, err := packager.Encode(&r.PDU)
	if err != nil {
		return nil, err
	}
	reply, err := line.SendContext(ctx, adu)
	if err != nil {
		return nil, err
	}
	if reply == nil {
		return nil, nil // a broadcast
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
