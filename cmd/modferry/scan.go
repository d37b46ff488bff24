package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"modferry/gateway/scan"
	"modferry/modbus/transport"
)

// scanFlags say where units are looked for, and how.
type scanFlags struct {
	sendFlags
	units         string
	probes        []string
	ranges        []string
	requests      int
	searchBaud    []int
	searchParity  bool
	out           string
	quiet         bool
	deviceTimeout bool // --timeout was given
}

func scanCommand() *cobra.Command {
	var f scanFlags
	c := &cobra.Command{
		Use: "scan", Short: "Find the units on a line, what they are and what can be read",
		Long: "Looks for the units on a line, asks each what it is (functions 43/14 and 17), finds the registers that can be\n" +
			"read, compares with the device profiles, and prints a devices section for a gateway's configuration.\n" +
			"Nothing is ever written: functions 1 to 4, 17 and 43/14 are all that is sent.\n" +
			"The line is reached directly (--tcp, --udp, --tls or --serial) or through a gateway (--broker, --gateway, --bus),\n" +
			"as it must be while a gateway has the port. A profile is called likely or possible, never certain.\n" +
			"The exit code is 0 if a unit was found and the scan was not ended before its end.",
		Example: "  modferry scan --serial /dev/ttyUSB0 --baud 9600\n" +
			"  modferry scan --serial /dev/ttyUSB0 --search-baud --search-parity --units 1-10\n" +
			"  modferry scan --tcp 192.0.2.7:502 --units 1 --ranges holding:0-499,input:0-99\n" +
			"  modferry scan --broker mqtt://192.0.2.1 --gateway hall --bus line",
		RunE: func(c *cobra.Command, _ []string) error {
			f.deviceTimeout = c.Flags().Changed("timeout")
			return f.scan(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f.register(c)
	s := c.Flags()
	s.StringVar(&f.units, "units", "1-247", "`UNITS` to look for, such as 1-10,32")
	s.DurationVar(&f.timeout, "timeout", 200*time.Millisecond, "how long to wait for the beginning of each reply (through a gateway: default the timeout of its bus)")
	s.StringSliceVar(&f.probes, "probe", []string{"holding:0"}, "read that each unit is asked for, as `TABLE:ADDRESS`; an exception is an answer, too; may be repeated, for devices that are silent at what they do not have")
	s.StringSliceVar(&f.ranges, "ranges", []string{"holding:0-63", "input:0-63"}, "look for what can be read in these `TABLE:ADDRESSES`, table holding, input, coil or discrete; none for not at all")
	s.IntVar(&f.requests, "requests", 320, "at most so many requests to each unit that was found")
	s.IntSliceVar(&f.searchBaud, "search-baud", nil, "try these `RATES` of the serial port until a unit answers; without a value, the usual ones")
	s.Lookup("search-baud").NoOptDefVal = "9600,19200,4800,2400,38400,57600,115200,1200"
	s.BoolVar(&f.searchParity, "search-parity", false, "try no, even and odd parity until a unit answers")
	s.StringVar(&f.out, "out", "", "write the devices section to a new `FILE`")
	s.BoolVar(&f.json, "json", false, "print the result as JSON")
	s.BoolVar(&f.quiet, "quiet", false, "do not tell how far the scan is")
	return c
}

func (f scanFlags) scan(ctx context.Context, out, progress io.Writer) error {
	o, err := f.options(ctx)
	if err != nil {
		return err
	}
	file, err := f.create()
	if err != nil {
		return err
	}
	line := &scanProgress{w: progress, on: !f.quiet, terminal: isTerminal(progress)}
	o.Progress = line.show
	report, err := scan.Scan(ctx, o)
	line.end()
	found := scanResult{f: f, Report: report, failed: err}
	if printed := found.print(out, file); printed != nil {
		return printed
	}
	return f.verdict(report, err)
}

// verdict is what the scan ends with, after what was found is printed.
func (f scanFlags) verdict(r *scan.Report, err error) error {
	var failed *transport.Error
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted: %d units were asked, %d answered", r.Asked, len(r.Units))
	case errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("serial port %s belongs to another program: if that is a gateway, scan through its broker with modferry scan --broker URL --gateway NAME --bus NAME, otherwise end it", f.serial)
	case errors.As(err, &failed):
		return err
	case err != nil:
		return fmt.Errorf("cannot scan: %w", err)
	case len(r.Units) == 0 && len(r.Garbled) > 0:
		return fmt.Errorf("no unit answers, but something came that is no frame: check baud rate and parity (--search-baud, --search-parity), and that nothing else talks on the line")
	case len(r.Units) == 0:
		return fmt.Errorf("no unit answers: check power and wiring (A and B swapped?), baud rate and parity (--search-baud, --search-parity), and try a longer --timeout or another --probe")
	}
	return nil
}

// create makes the file for the devices section; nil if none is wanted.
func (f scanFlags) create() (*os.File, error) {
	if f.out == "" {
		return nil, nil
	}
	file, err := os.OpenFile(f.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, usage("--out %s: the file is there already; name another", f.out)
	}
	if err != nil {
		return nil, usage("--out: %w", err)
	}
	return file, nil
}
