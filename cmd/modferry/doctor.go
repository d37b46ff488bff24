package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"modferry/gateway/doctor"
	"modferry/gateway/screen"
)

func doctorCommand() *cobra.Command {
	var file string
	var timeout time.Duration
	var asJSON bool
	c := &cobra.Command{
		Use: "doctor -c FILE", Short: "Try the broker, lines and devices of a configuration, and say what is wrong",
		Long: "Reads a gateway's configuration and tries what it names: the broker (name, connection, certificate, login,\n" +
			"access rules, by one message published to itself), each serial port or server, and one reading of each\n" +
			"device. Nothing is written. Each thing gets one line: what is so, or what is wrong and how to mend it.\n" +
			"Where the gateway runs already, it owns the lines, and the devices are asked through it.\n" +
			"The exit code is 0 if all is well.",
		Example: "  modferry doctor -c gateway.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			loaded, err := load(file, nil)
			if err != nil {
				return err
			}
			if timeout <= 0 {
				return usage("--timeout %v: it must be above 0", timeout)
			}
			out, lines := c.OutOrStdout(), json.NewEncoder(c.OutOrStdout())
			well := doctor.Examine(c.Context(), doctor.Options{Config: loaded, Timeout: timeout, Found: func(f doctor.Finding) {
				switch {
				case asJSON:
					_ = lines.Encode(f) // what cannot be printed is of no use to anybody
				case f.OK:
					fmt.Fprintf(out, "ok    %s: %s\n", f.What, screen.Clean(f.Said))
				default:
					fmt.Fprintf(out, "FAIL  %s: %s\n", f.What, screen.Clean(f.Said))
				}
			}})
			return failedIf(!well, nil)
		},
	}
	c.Flags().StringVarP(&file, "config", "c", "gateway.yaml", "configuration `FILE`")
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "how long to wait for the broker, and for each line to open")
	c.Flags().BoolVar(&asJSON, "json", false, "print each finding as a JSON line")
	return c
}
