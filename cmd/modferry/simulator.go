package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"modferry/configs"
	"modferry/simulator"
)

// simulatorFlags describe one virtual device; a configuration file can describe several.
type simulatorFlags struct {
	file, profile    string
	unit             int
	seed             uint64
	tcp, pty, serial string
	json             bool
	log              string
}

func simulatorCommand() *cobra.Command {
	var f simulatorFlags
	c := &cobra.Command{
		Use: "simulator [-c FILE]", Short: "Run virtual devices on TCP, a pseudo terminal or a serial port",
		Long: "Runs virtual devices: those of a configuration file (-c), or one of a profile (--profile).\n" +
			"One device state is served on all its faces at once.",
		Example: "  modferry simulator --tcp 127.0.0.1:5020\n" +
			"  modferry simulator --profile xy-md02 --tcp :5020 --pty /tmp/ttyMODBUS\n" +
			"  modferry simulator -c simulator.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			log, err := logger(c.ErrOrStderr(), f.log)
			if err != nil {
				return err
			}
			s, err := f.open(log)
			if err != nil {
				return err
			}
			if err := f.greet(c.OutOrStdout(), s); err != nil {
				return err
			}
			return s.Run(c.Context())
		},
	}
	s := c.Flags()
	s.StringVarP(&f.file, "config", "c", "", "configuration `FILE`")
	s.StringVar(&f.profile, "profile", "xy-md02", "`NAME` of the device's profile")
	s.IntVar(&f.unit, "unit", 0, "unit `ID` of the device (default the profile's)")
	s.Uint64Var(&f.seed, "seed", 1, "`NUMBER` that decides how its values move")
	s.StringVar(&f.tcp, "tcp", "", "serve Modbus TCP at `ADDRESS`; \":5020\" is 127.0.0.1:5020, port 0 picks a free one")
	s.StringVar(&f.pty, "pty", "", "create a pseudo terminal and link it at `PATH`")
	s.StringVar(&f.serial, "serial", "", "serve RTU on a serial `PORT`")
	s.BoolVar(&f.json, "json", false, "print the addresses as one JSON line")
	s.StringVar(&f.log, "log", "warn", "log `LEVEL`: debug, info, warn, error")
	return c
}
