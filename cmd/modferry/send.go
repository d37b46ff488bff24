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
	"modferry/modbus"
	"modferry/modbus/explain"
	"modferry/modbus/transport"
)

// sendFlags say over what a request goes: a broker, a TCP server or a serial port.
type sendFlags struct {
	broker, gateway, prefix, bus, client string
	request, response                    string
	username, passwordFile, ca           string
	tcp, framing                         string
	serial, parity, mode                 string
	baud, stopBits                       int
	timeout                              time.Duration
	json                                 bool
}

func sendCommand() *cobra.Command {
	var f sendFlags
	c := &cobra.Command{
		Use: "send FRAME", Short: "Send one request over MQTT, TCP or a serial port and explain the reply",
		Long: "Sends one Modbus request, given as hex text with or without its check code, and explains the reply.\n" +
			"It goes through a gateway (--broker, --gateway, --bus) or directly to a device (--tcp or --serial).\n" +
			"The exit code is 0 only if a device answered without an exception.",
		Example: "  modferry send --broker mqtt://127.0.0.1:1883 --gateway demo --bus line \"01 04 00 01 00 02\"\n" +
			"  modferry send --tcp 127.0.0.1:5020 010400010002\n" +
			"  modferry send --serial /dev/ttyUSB0 --baud 9600 010400010002200B",
		Args: needFrame,
		RunE: func(c *cobra.Command, args []string) error {
			return send(c.Context(), f, strings.Join(args, " "), c.OutOrStdout())
		},
	}
	s := c.Flags()
	s.StringVar(&f.broker, "broker", "", "`URL` of the broker: mqtt, mqtts, ws or wss")
	s.StringVar(&f.gateway, "gateway", "", "`NAME` of the gateway")
	s.StringVar(&f.prefix, "prefix", "", "topic `PREFIX` if it is not modferry/<gateway>")
	s.StringVar(&f.bus, "bus", "", "`NAME` of the bus")
	s.StringVar(&f.request, "request", "", "`TOPIC` for requests, of a bus with fixed topics")
	s.StringVar(&f.response, "response", "", "`TOPIC` for responses, of a bus with fixed topics")
	s.StringVar(&f.client, "client", "", "`NAME` of this client, as rules know it (default the user name, or a random one)")
	s.StringVar(&f.username, "username", "", "user `NAME` at the broker")
	s.StringVar(&f.passwordFile, "password-file", "", "`FILE` with the password (or MODFERRY_PASSWORD in the environment)")
	s.StringVar(&f.ca, "ca", "", "`FILE` with the CA certificates of the broker (PEM)")
	s.StringVar(&f.tcp, "tcp", "", "`HOST:PORT` of a Modbus TCP server, instead of a broker")
	s.StringVar(&f.framing, "framing", "mbap", "`FRAMING` on a TCP connection: mbap, rtu, ascii")
	s.StringVar(&f.serial, "serial", "", "serial `PORT`, instead of a broker")
	s.IntVar(&f.baud, "baud", 9600, "`BAUD` rate of the serial port")
	s.StringVar(&f.parity, "parity", "none", "`PARITY` of the serial port: none, even, odd")
	s.IntVar(&f.stopBits, "stop-bits", 1, "stop `BITS` of the serial port")
	s.StringVar(&f.mode, "mode", "rtu", "`MODE` of the serial line: rtu, ascii")
	s.DurationVar(&f.timeout, "timeout", 5*time.Second, "how long to wait for the reply")
	s.BoolVar(&f.json, "json", false, "print the result as JSON")
	offer(c, "framing", "mbap", "rtu", "ascii")
	offer(c, "mode", "rtu", "ascii")
	offer(c, "parity", "none", "even", "odd")
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
	switch {
	case f.broker != "" && f.tcp == "" && f.serial == "":
		reply, err = f.throughGateway(ctx, text)
	case f.broker == "" && (f.tcp == "") != (f.serial == ""):
		reply, err = f.directly(ctx, request)
	default:
		return usage("name one way: --broker URL with --gateway and --bus, or --tcp HOST:PORT, or --serial PORT")
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

func (f sendFlags) line() (transport.Transporter, error) {
	framings := map[string]modbus.Framing{"mbap": modbus.TCP, "rtu": modbus.RTU, "ascii": modbus.ASCII}
	framing, known := framings[f.framing]
	mode, knownMode := framings[f.mode]
	switch {
	case !known:
		return nil, usage("--framing %s: it must be mbap, rtu or ascii", f.framing)
	case !knownMode || mode == modbus.TCP:
		return nil, usage("--mode %s: it must be rtu or ascii", f.mode)
	case f.serial != "":
		return transport.NewStream(transport.StreamOptions{Framing: mode, Timeout: f.timeout, Open: transport.DialSerial(transport.SerialOptions{
			Path: f.serial, Baud: f.baud, Parity: f.parity, DataBits: 8, StopBits: f.stopBits,
		})}), nil
	case framing == modbus.TCP:
		return transport.NewTCP(transport.TCPOptions{Address: f.tcp, Timeout: f.timeout}), nil
	}
	return transport.NewStream(transport.StreamOptions{
		Framing: framing, Timeout: f.timeout, Open: transport.DialTCP(f.tcp, nil),
	}), nil
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
