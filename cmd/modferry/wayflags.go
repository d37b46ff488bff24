package main

import (
	"time"

	"github.com/spf13/cobra"

	"modferry/modbus"
	"modferry/modbus/transport"
)

// busFlags say which bus of which gateway is meant, and how its broker is reached.
type busFlags struct {
	broker, gateway, prefix, bus, client string
	request, response                    string
	username, passwordFile               string
	ca, cert, key                        string
	kind                                 string        // of a client that has no name
	timeout                              time.Duration // for each reply
}

func (f *busFlags) register(c *cobra.Command) {
	s := c.Flags()
	f.kind = c.Name()
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
	s.StringVar(&f.cert, "cert", "", "`FILE` with our certificate for the broker (PEM)")
	s.StringVar(&f.key, "key", "", "`FILE` with the key of our certificate (PEM)")
}

// register adds the flags that name the way to a device.
func (f *sendFlags) register(c *cobra.Command) {
	f.busFlags.register(c)
	s := c.Flags()
	s.Lookup("cert").Usage = "`FILE` with our certificate for the broker or the TLS server (PEM)"
	s.Lookup("ca").Usage = "`FILE` with the CA certificates of the broker, or of the TLS server (PEM)"
	s.StringVar(&f.tcp, "tcp", "", "`HOST:PORT` of a Modbus TCP server, instead of a broker")
	s.StringVar(&f.udp, "udp", "", "`HOST:PORT` of a Modbus UDP server")
	s.StringVar(&f.tls, "tls", "", "`HOST:PORT` of a Modbus TCP server with TLS")
	s.StringVar(&f.framing, "framing", "mbap", "`FRAMING` on a TCP connection: mbap, rtu, ascii")
	s.StringVar(&f.serial, "serial", "", "serial `PORT`, instead of a broker")
	s.IntVar(&f.baud, "baud", 9600, "`BAUD` rate of the serial port")
	s.StringVar(&f.parity, "parity", "none", "`PARITY` of the serial port: none, even, odd")
	s.IntVar(&f.stopBits, "stop-bits", 1, "stop `BITS` of the serial port")
	s.StringVar(&f.mode, "mode", "rtu", "`MODE` of the serial line: rtu, ascii")
	offer(c, "framing", "mbap", "rtu", "ascii")
	offer(c, "mode", "rtu", "ascii")
	offer(c, "parity", "none", "even", "odd")
}

// checkWay returns nil if exactly one way is named.
func (f sendFlags) checkWay() error {
	ways := 0
	for _, way := range []string{f.broker, f.tcp, f.udp, f.tls, f.serial} {
		if way != "" {
			ways++
		}
	}
	switch {
	case ways != 1:
		return usage("name one way: --broker URL with --gateway and --bus, or --tcp HOST:PORT, --udp HOST:PORT, --tls HOST:PORT, or --serial PORT")
	case (f.cert == "") != (f.key == ""):
		return usage("--cert and --key belong together: name both files")
	case f.cert != "" && f.tls == "" && f.broker == "":
		return usage("--cert and --key are for --broker URL or --tls HOST:PORT")
	}
	return nil
}

// line is the way that is not a broker.
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
	case framing != modbus.TCP && f.udp != "":
		return nil, usage("--framing %s: over UDP there is only mbap", f.framing)
	case f.udp != "":
		return transport.NewTCP(transport.TCPOptions{Address: f.udp, Network: "udp", Timeout: f.timeout}), nil
	}
	address, secure := f.tcp, transport.Secure(nil)
	if f.tls != "" {
		address, secure = f.tls, transport.TLSFiles{CA: f.ca, Cert: f.cert, Key: f.key}.Config
	}
	if framing == modbus.TCP {
		return transport.NewTCP(transport.TCPOptions{Address: address, TLS: secure, Timeout: f.timeout}), nil
	}
	return transport.NewStream(transport.StreamOptions{Framing: framing, Timeout: f.timeout, Open: transport.DialTCP(address, secure)}), nil
}
