package simulator_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	shipped "modferry/configs"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/simulator"
)

// A sensor in memory, for the test of a program that speaks RTU. It measures what the
// test says, and is disturbed as the test wants.
func Example() {
	sensor, err := profile.Load(shipped.Files, "xy-md02")
	if err != nil {
		log.Fatal(err)
	}
	s, err := simulator.New(simulator.Options{Profile: sensor, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	line, err := s.Memory(modbus.RTU)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()

	transporter := line.Transporter(0)
	client := modbus.NewClient(modbus.RTU.Packager(1), transporter)
	if err := s.Pin("temperature", -20.5); err != nil {
		log.Fatal(err)
	}
	b, err := client.ReadInputRegisters(1, 1)
	fmt.Printf("% X %v\n", b, err)

	if _, err := s.AddFaults(simulator.Fault{Functions: []string{"read"}, Exception: modbus.ServerDeviceBusy, Count: 1}); err != nil {
		log.Fatal(err)
	}
	_, err = client.ReadInputRegisters(1, 1)
	var exception *modbus.Exception
	fmt.Println(errors.As(err, &exception) && exception.ExceptionCode == modbus.ServerDeviceBusy)

	_ = transporter.Close()
	stop()
	fmt.Println(<-ended)
	// Output:
	// FF 33 <nil>
	// true
	// <nil>
}

// A device that no profile describes, whose temperature follows its set-point, on a
// clock that the test moves.
func Example_clock() {
	oven, err := profile.ParseDevice("oven.yaml", []byte(`
title: Oven
registers:
  setpoint: {holding: 0, type: uint16, initial: 180}
  temperature: {input: 0, type: int16, scale: 0.1, thermal: {follows: setpoint, ambient: 20, tau: 5m}}
`))
	if err != nil {
		log.Fatal(err)
	}
	clock := simulator.NewPausedClock(time.Time{})
	s, err := simulator.New(simulator.Options{Profile: oven, Clock: clock})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		v, err := s.Device(1).Value("temperature")
		fmt.Println(v, err)
		if err := clock.Step(5 * time.Minute); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 20 <nil>
	// 121.1 <nil>
	// 158.3 <nil>
}
