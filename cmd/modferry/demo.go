package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"modferry/configs"
	"modferry/gateway"
	"modferry/gateway/config"
	"modferry/gateway/console"
	"modferry/gateway/mqtt"
	"modferry/modbus/profile"
	"modferry/simulator"
	"modferry/simulator/control"
)

// demoFlags are the addresses of the demo; ":1883" means 127.0.0.1:1883.
type demoFlags struct {
	mqtt, http, modbus string
	json               bool
	log                string
}

func demoCommand() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use: "demo", Short: "Run broker, virtual device and gateway in one process, with nothing to configure",
		Long: "Runs an embedded MQTT broker, a virtual XY-MD02 temperature sensor and a gateway between them\n" +
			"in one process, on 127.0.0.1 only, and prints what to try. Ctrl-C ends it.",
		RunE: func(c *cobra.Command, _ []string) error {
			log, err := logger(c.ErrOrStderr(), f.log)
			if err != nil {
				return err
			}
			return demo(c.Context(), f, c.OutOrStdout(), log)
		},
	}
	c.Flags().StringVar(&f.mqtt, "mqtt", ":1883", "`ADDRESS` of the MQTT broker; port 0 picks a free one")
	c.Flags().StringVar(&f.http, "http", ":8080", "`ADDRESS` of the web page and of MQTT over WebSocket at /mqtt")
	c.Flags().StringVar(&f.modbus, "modbus", ":5020", "`ADDRESS` of the virtual device, Modbus TCP")
	c.Flags().BoolVar(&f.json, "json", false, "print addresses and topics as one JSON line")
	c.Flags().StringVar(&f.log, "log", "warn", "log `LEVEL`: debug, info, warn, error")
	return c
}

func demo(ctx context.Context, f demoFlags, out io.Writer, log *slog.Logger) error {
	device, address, err := demoDevice(f.modbus, log)
	if err != nil {
		return err
	}
	g, err := demoGateway(f, address, log)
	if err != nil {
		return errors.Join(fmt.Errorf("%w: choose other addresses with --mqtt and --http, such as --mqtt :0", err), device.Close())
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	g.Handle(console.SimulatorPath, http.StripPrefix(strings.TrimSuffix(console.SimulatorPath, "/"), control.Handler(ctx, device)))
	var running sync.WaitGroup
	running.Go(func() {
		if err := device.Run(ctx); err != nil && ctx.Err() == nil {
			stop(fmt.Errorf("virtual device: %w", err))
		}
	})
	running.Go(func() {
		if err := welcome(ctx, g, places(g, address), f.json, out); err != nil {
			stop(err)
		}
	})
	err = g.Run(ctx)
	stop(err)
	running.Wait()
	return err
}

func demoDevice(listen string, log *slog.Logger) (*simulator.Simulator, net.Addr, error) {
	sensor, err := profile.Load(configs.Files, "xy-md02")
	if err != nil {
		return nil, nil, err
	}
	device, err := simulator.New(simulator.Options{Profile: sensor, Unit: 1, Calls: simulator.DefaultCalls, Logger: log})
	if err != nil {
		return nil, nil, err
	}
	address, err := device.ListenTCP(local(listen))
	if err != nil {
		return nil, nil, fmt.Errorf("cannot serve the virtual device: %w: choose another address with --modbus, such as --modbus :0", err)
	}
	return device, address, nil
}

// demoGateway is configs/demo.yaml at the addresses of the flags.
func demoGateway(f demoFlags, device net.Addr, log *slog.Logger) (*gateway.Gateway, error) {
	text, err := configs.Files.ReadFile("demo.yaml")
	if err != nil {
		return nil, err
	}
	c, err := config.Parse("demo.yaml", text, config.Options{Profiles: configs.Files})
	if err != nil {
		return nil, err
	}
	c.Broker.MQTT, c.HTTP.Listen = local(f.mqtt), local(f.http)
	c.Buses[0].TCP.Address = device.String()
	return newGateway(c, log)
}

// local completes ":1883" to 127.0.0.1:1883.
func local(address string) string {
	if host, port, err := net.SplitHostPort(address); err == nil && host == "" {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}

// place is what someone needs to know to use the demo.
type place struct {
	MQTT        string `json:"mqtt"`
	WebSocket   string `json:"websocket"`
	HTTP        string `json:"http"`
	Modbus      string `json:"modbus"`
	Gateway     string `json:"gateway"`
	Bus         string `json:"bus"`
	Device      string `json:"device"`
	Unit        int    `json:"unit"`
	Status      string `json:"status"`
	Request     string `json:"request"`
	Response    string `json:"response"`
	Error       string `json:"error"`
	Temperature string `json:"temperature"`
	Humidity    string `json:"humidity"`
}

func places(g *gateway.Gateway, device net.Addr) place {
	a := g.Addresses()
	const prefix, bus, sensor = "modferry/demo", "modferry/demo/bus/line", "modferry/demo/device/sensor"
	return place{
		MQTT: "mqtt://" + a.MQTT.String(), HTTP: "http://" + a.HTTP.String() + "/", WebSocket: "ws://" + a.HTTP.String() + "/mqtt",
		Modbus: device.String(), Gateway: "demo", Bus: "line", Device: "sensor", Unit: 1, Status: prefix + "/status",
		Request: bus + "/request", Response: bus + "/response", Error: bus + "/error",
		Temperature: sensor + "/temperature", Humidity: sensor + "/humidity",
	}
}

const greeting = `modferry demo: a virtual temperature sensor behind an MQTT gateway, all on this machine.

  MQTT            %[1]s
  over WebSocket  %[2]s
  web page        %[3]s
  the sensor      %[4]s (Modbus TCP, unit 1)

Three things to try, in another terminal:

1. Ask the sensor with a Modbus frame over MQTT, and have the reply explained:
   %[8]s send --broker %[1]s --gateway demo --bus line "01 04 00 01 00 02"

2. See its last temperature, retained, the moment you subscribe:
   mosquitto_sub -L %[1]s/%[5]s

3. From your own app: publish 010400010002200B as text (or as 8 bytes) to
   %[6]s/me
   and read the reply on
   %[7]s/me

Ctrl-C ends the demo.
`

func greet(out io.Writer, asJSON bool, p place) error {
	if asJSON {
		return json.NewEncoder(out).Encode(p)
	}
	_, err := fmt.Fprintf(out, greeting, p.MQTT, p.WebSocket, p.HTTP, p.Modbus, p.Temperature, p.Request, p.Response, self())
	return err
}

// welcome says what to try, once there is somebody to answer.
func welcome(ctx context.Context, g *gateway.Gateway, at place, asJSON bool, out io.Writer) error {
	select {
	case <-g.Ready():
	case <-ctx.Done():
		return nil
	}
	if err := greet(out, asJSON, at); err != nil || asJSON {
		return err
	}
	showTemperature(ctx, at, out)
	return nil
}

// self is how this program is started again: by its path, or by go run, whose
// binary is gone when it ends.
func self() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/modferry"
	}
	return os.Args[0]
}

// showEvery is how often the demo prints the temperature.
const showEvery = 10 * time.Second

// showTemperature prints the sensor's temperature, read over MQTT as an app would.
func showTemperature(ctx context.Context, at place, out io.Writer) {
	var next time.Time
	mqtt.New(mqtt.Options{
		URL: at.MQTT, ClientID: "modferry-demo-display", KeepAlive: 30 * time.Second, Topics: []string{at.Temperature}, Events: 1,
		Logger: slog.New(slog.DiscardHandler),
		Handle: func(m mqtt.Message) {
			m.Ack()
			var reading struct {
				Value *float64
				Unit  string
			}
			if time.Now().Before(next) || json.Unmarshal(m.Payload, &reading) != nil || reading.Value == nil {
				return
			}
			next = time.Now().Add(showEvery)
			fmt.Fprintf(out, "temperature now: %.1f %s\n", *reading.Value, reading.Unit)
		},
	}).Run(ctx)
}
