package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"modferry/simulator"
	"modferry/simulator/dtu"
)

// faceFlags are further faces of the one device.
type faceFlags struct {
	udp, rtuOverTCP, asciiOverTCP string
	mqtt, mqttTopics, mqttPayload string
	pace                          bool
}

func (f *faceFlags) register(s *pflag.FlagSet) {
	s.StringVar(&f.udp, "udp", "", "serve Modbus UDP at `ADDRESS`")
	s.StringVar(&f.rtuOverTCP, "rtu-over-tcp", "", "serve RTU frames over TCP at `ADDRESS`")
	s.StringVar(&f.asciiOverTCP, "ascii-over-tcp", "", "serve ASCII frames over TCP at `ADDRESS`")
	s.StringVar(&f.mqtt, "mqtt", "", "serve RTU frames in messages of the MQTT server at `URL`, as a transparent DTU does")
	s.StringVar(&f.mqttTopics, "mqtt-topics", "dtu/request,dtu/response", "`TOPICS` of requests and responses")
	s.StringVar(&f.mqttPayload, "mqtt-payload", "binary", "`FORM` of messages: binary or hex")
	s.BoolVar(&f.pace, "pace", false, "let replies take the time that the device's baud rate needs")
}

// apply adds the faces to a configuration.
func (f faceFlags) apply(c *simulator.Config) error {
	c.UDP, c.RTUOverTCP, c.ASCIIOverTCP, c.Pace = f.udp, f.rtuOverTCP, f.asciiOverTCP, f.pace
	if f.mqtt == "" {
		return nil
	}
	if f.mqttPayload != "binary" && f.mqttPayload != "hex" {
		return usage("--mqtt-payload %s: it must be binary or hex", f.mqttPayload)
	}
	request, response, two := strings.Cut(f.mqttTopics, ",")
	if !two || strings.Contains(response, ",") {
		return usage("--mqtt-topics %s: it must be two topics with a comma between them, such as dtu/request,dtu/response", f.mqttTopics)
	}
	c.MQTT = &dtu.Options{URL: f.mqtt, Request: request, Response: response, Hex: f.mqttPayload == "hex"}
	if err := c.MQTT.Check(); err != nil {
		return usage("--mqtt: %w", err)
	}
	return nil
}

// lines are the simulators of a configuration, each with its control.
type lines []controlled

// withControl opens the controls that the lines ask for; on an error it closes everything.
func withControl(all []*simulator.Simulator, c simulator.Config, log *slog.Logger) (lines, error) {
	var opened lines
	configured := c.Lines
	if len(configured) == 0 {
		configured = []simulator.Config{c}
	}
	for i, s := range all {
		one, err := listen(s, configured[i].Control, log)
		if err != nil {
			opened.close()
			for _, rest := range all[i+1:] {
				_ = rest.Close() // it was not used yet
			}
			return nil, err
		}
		opened = append(opened, one)
	}
	return opened, nil
}

// places returns where everything is reached.
func (l lines) places() []simulator.Places {
	var all []simulator.Places
	for _, one := range l {
		all = append(all, one.places())
	}
	return all
}

// run runs all until ctx ends or one fails.
func (l lines) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, one := range l {
		group.Go(func() error { return one.run(ctx) })
	}
	return group.Wait()
}

// close gives up what is not run.
func (l lines) close() {
	for _, one := range l {
		one.close()
	}
}

// printPlaces prints the places of one line as an object, of several as a list of them.
func printPlaces(w io.Writer, all []simulator.Places) error {
	if len(all) == 1 {
		return json.NewEncoder(w).Encode(all[0])
	}
	return json.NewEncoder(w).Encode(all)
}
