package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"modferry/configs/strictyaml"
	"modferry/gateway/config"
)

func checkCommand() *cobra.Command {
	var file string
	var asJSON, withPlan bool
	c := &cobra.Command{
		Use: "check -c FILE", Short: "Check a gateway's configuration and report every mistake at once",
		Long: "Checks a gateway's configuration and reports every mistake at once.\n\n" +
			"With --plan it also prints what the gateway will read of each device, and the load of each bus that comes\n" +
			"of it, and warns of a bus that is busy for more than 80 % of the time; the exit code stays 0. A device has\n" +
			"a list of requests for the readings of each interval, and after these others for intervals that are due at\n" +
			"the same time, as their readings are read together. Computed readings cost no request, and are named. The\n" +
			"load counts the bytes of requests and replies, the silence of 3.5 characters around each, the delay of the\n" +
			"bus, and a response time of the device that is assumed: 10 ms on serial lines, 5 ms on networks. What a\n" +
			"device refuses, and is therefore read in more requests, is found out when the gateway runs.",
		Example: "  modferry check -c gateway.yaml\n  modferry check --plan -c gateway.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			loaded, err := load(file, nil)
			var plan []busPlan
			if withPlan && err == nil {
				plan = planOf(loaded)
				warnOfLoad(c.ErrOrStderr(), plan)
			}
			if asJSON {
				return checkJSON(c.OutOrStdout(), loaded, plan, err)
			}
			if err != nil {
				return err
			}
			for _, w := range loaded.Warnings {
				fmt.Fprintln(c.ErrOrStderr(), "warning:", w.String())
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is good: gateway %s, %s, %s\n",
				file, loaded.Gateway, count(len(loaded.Buses), "bus", "buses"), count(len(loaded.Devices), "device", "devices"))
			return printPlan(c.OutOrStdout(), plan)
		},
	}
	c.Flags().StringVarP(&file, "config", "c", "gateway.yaml", "configuration `FILE`")
	c.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	c.Flags().BoolVar(&withPlan, "plan", false, "print the reads of each device and the load of each bus")
	return c
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// checkJSON prints mistakes and warnings as JSON; mistakes are still the exit code.
func checkJSON(out io.Writer, c *config.Config, plan []busPlan, err error) error {
	result := struct {
		OK       bool                `json:"ok"`
		Problems strictyaml.Problems `json:"problems,omitempty"`
		Warnings strictyaml.Problems `json:"warnings,omitempty"`
		Plan     []busPlan           `json:"plan,omitempty"`
	}{OK: err == nil, Plan: plan}
	if err != nil && !errors.As(err, &result.Problems) {
		return err
	}
	if c != nil {
		result.Warnings = c.Warnings
	}
	if failed := json.NewEncoder(out).Encode(result); failed != nil || err == nil {
		return failed
	}
	return &usageError{errSilent}
}
