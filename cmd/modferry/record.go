package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"modferry/configs"
	"modferry/configs/strictyaml"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/simulator/recording"
)

// recordFlags say what is recorded of which device, and where it is put.
type recordFlags struct {
	sendFlags
	profile                        string
	unit                           int
	input, holding, coil, discrete []string
	every, duration                time.Duration
	count                          int
	out                            string
	force                          bool
}

func recordCommand() *cobra.Command {
	var f recordFlags
	c := &cobra.Command{
		Use: "record --out DIR", Short: "Copy a real device into a virtual one",
		Long: "Reads a device again and again, and writes what it saw into a folder: simulator.yaml, a configuration of the\n" +
			"simulator, and values.csv with the values that changed, over time. modferry simulator -c DIR/simulator.yaml then\n" +
			"answers reads as the device did. The device is only read, never written.\n" +
			"It is reached directly (--tcp, --udp, --tls or --serial) or through a gateway (--broker, --gateway, --bus).\n" +
			"Recording goes on until --for or --count is reached, or Ctrl-C ends it.",
		Example: "  modferry simulator record --tcp 192.0.2.7:502 --profile xy-md02 --out copy\n" +
			"  modferry simulator record --serial /dev/ttyUSB0 --unit 5 --input 0-9 --holding 0x100-0x105 --for 10m --out copy\n" +
			"  modferry simulator record --broker mqtt://192.0.2.1 --gateway hall --bus line --unit 1 --input 0-9 --out copy",
		RunE: func(c *cobra.Command, _ []string) error {
			return f.record(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f.register(c)
	s := c.Flags()
	s.StringVar(&f.profile, "profile", "", "record the registers of a profile, by `NAME`, or of a file of your own (NAME.yaml)")
	s.IntVar(&f.unit, "unit", 0, "unit `ID` of the device (default the profile's, or 1)")
	s.StringSliceVar(&f.input, "input", nil, "record input registers: `ADDRESSES` such as 0-9,0x100; may be repeated")
	s.StringSliceVar(&f.holding, "holding", nil, "record holding registers: `ADDRESSES`")
	s.StringSliceVar(&f.coil, "coil", nil, "record coils: `ADDRESSES`")
	s.StringSliceVar(&f.discrete, "discrete", nil, "record discrete inputs: `ADDRESSES`")
	s.DurationVar(&f.every, "every", time.Second, "read everything so often")
	s.DurationVar(&f.duration, "for", 0, "record so long (default until it is interrupted)")
	s.IntVar(&f.count, "count", 0, "read everything so many times (default until it is interrupted)")
	s.StringVar(&f.out, "out", "", "`DIR` for the recording; it is made, or must be empty")
	s.BoolVar(&f.force, "force", false, "replace the recording in a folder that is not empty")
	s.DurationVar(&f.timeout, "timeout", time.Second, "how long to wait for each reply")
	s.BoolVar(&f.json, "json", false, "print the summary as JSON")
	offer(c, "profile", profile.Names(configs.Files)...)
	_ = c.MarkFlagDirname("out") // the flag is there
	return c
}

func (f recordFlags) record(ctx context.Context, out, progress io.Writer) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	way, err := f.way(ctx)
	if err != nil {
		return err
	}
	defer way.close()
	folder, err := recording.OpenFolder(f.out, f.force)
	if err != nil {
		return usage("--out: %w", err)
	}
	defer folder.Abandon()
	o.Line, o.From, o.Save = way, way.name, folder.Save
	line := progressLine{w: progress, on: isTerminal(progress)}
	o.Progress = line.show
	done, err := recording.Record(ctx, o)
	line.end()
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted before anything was recorded: there are no files")
	case err != nil:
		return fmt.Errorf("cannot record %s: %w", way.name, err)
	}
	return f.summarize(out, done)
}

func (f recordFlags) options() (o recording.Options, err error) {
	switch {
	case f.out == "":
		return o, usage("--out DIR is missing: name the folder for the recording")
	case f.unit < 0 || f.unit > int(modbus.MaxUnit):
		return o, usage("--unit %d: it must be 1 to 247", f.unit)
	case f.every < recording.MinEvery:
		return o, usage("--every %v: it must be at least %v", f.every, recording.MinEvery)
	case f.duration < 0 || f.count < 0:
		return o, usage("--for and --count cannot be negative")
	case f.timeout <= 0:
		return o, usage("--timeout %v: it must be above 0", f.timeout)
	}
	o = recording.Options{Unit: byte(f.unit), Every: f.every, For: f.duration, Count: f.count}
	if f.profile != "" {
		if o.Profile, err = (simulatorFlags{profile: f.profile}).load(); err != nil {
			var problems strictyaml.Problems
			if errors.As(err, &problems) {
				return o, &usageError{problems}
			}
			return o, usage("--profile: %w", err)
		}
	}
	o.Spans, err = f.spans()
	if err == nil && o.Profile == nil && len(o.Spans) == 0 {
		return o, usage("nothing to record: name --profile, or --input, --holding, --coil or --discrete with addresses such as 0-9")
	}
	return o, err
}

func (f recordFlags) spans() (all []modbus.Span, err error) {
	for _, table := range []struct {
		flag   string
		ranges []string
		table  modbus.Table
	}{
		{"input", f.input, modbus.InputRegisters}, {"holding", f.holding, modbus.HoldingRegisters},
		{"coil", f.coil, modbus.Coils}, {"discrete", f.discrete, modbus.DiscreteInputs},
	} {
		for _, text := range table.ranges {
			s, ok := parseSpan(text)
			if !ok {
				return nil, usage("--%s %s: expected an address or a range from 0 to 65535, such as 0-9 or 0x100-0x105", table.flag, text)
			}
			s.Table = table.table
			all = append(all, s)
		}
	}
	return all, nil
}

var addresses = regexp.MustCompile(`^\s*(0[xX][0-9a-fA-F]+|[0-9]+)\s*(?:-\s*(0[xX][0-9a-fA-F]+|[0-9]+)\s*)?$`)

// parseSpan reads an address or a range of them, in decimal or hex.
func parseSpan(text string) (s modbus.Span, ok bool) {
	m := addresses.FindStringSubmatch(text)
	if m == nil {
		return s, false
	}
	first, ok := parseAddress(m[1])
	last := first
	if ok && m[2] != "" {
		last, ok = parseAddress(m[2])
	}
	return modbus.Span{Address: uint16(first), Quantity: last - first + 1}, ok && first <= last
}

func parseAddress(text string) (address int, ok bool) {
	digits, base := text, 10
	if len(text) > 2 && (text[1] == 'x' || text[1] == 'X') {
		digits, base = text[2:], 16
	}
	n, err := strconv.ParseUint(digits, base, 16)
	return int(n), err == nil
}

// summary is what was recorded, for programs.
type summary struct {
	Dir      string        `json:"dir"`
	Unit     byte          `json:"unit"`
	Ended    recording.End `json:"ended"`
	Rows     int           `json:"rows"`
	Seconds  float64       `json:"seconds"`
	Moving   int           `json:"moving"`
	Constant int           `json:"constant"`
	Requests int           `json:"requests"`
	Holes    []hole        `json:"holes"`
	Gaps     []gap         `json:"gaps"`
	GapCount int           `json:"gap_count"`
}

type hole struct {
	Table     string `json:"table"`
	First     uint16 `json:"first"`
	Last      uint16 `json:"last"`
	Exception byte   `json:"exception"` // 0: silence
}

type gap struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
	Why  string  `json:"why"`
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// gapsShown is how many gaps people are told of; --json has all.
const gapsShown = 3

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// summarize tells what was recorded.
func (f recordFlags) summarize(out io.Writer, r *recording.Recording) error {
	s := summary{
		f.out, r.Unit, r.End, r.Rows, seconds(r.Length), r.Moving, r.Constant, r.Requests, []hole{}, []gap{}, r.Gapped,
	}
	for _, h := range r.Holes {
		s.Holes = append(s.Holes, hole{recording.TableName(h.Table), h.First, h.Last, h.Exception})
	}
	for _, g := range r.Gaps {
		s.Gaps = append(s.Gaps, gap{seconds(g.From), seconds(g.To), g.Why})
	}
	if f.json {
		return json.NewEncoder(out).Encode(s)
	}
	fmt.Fprintf(out, "Recorded unit %d for %v: %s, %s that changed, %d that did not.\n",
		s.Unit, r.Length.Round(time.Millisecond), counted(s.Rows, "row"), counted(s.Moving, "value"), s.Constant)
	for _, h := range s.Holes {
		answer := "silence"
		if h.Exception > 0 {
			answer = fmt.Sprintf("exception %02d (%s)", h.Exception, modbus.ExceptionName(h.Exception))
		}
		fmt.Fprintf(out, "  %s 0x%04X to 0x%04X: %s\n", h.Table, h.First, h.Last, answer)
	}
	for _, g := range s.Gaps[:min(len(s.Gaps), gapsShown)] {
		fmt.Fprintf(out, "  from %v s to %v s not all was answered, the last values stand there: %s\n", g.From, g.To, g.Why)
	}
	if more := s.GapCount - gapsShown; more > 0 {
		fmt.Fprintf(out, "  likewise %s more\n", counted(more, "time"))
	}
	if r.End == recording.Full {
		fmt.Fprintln(out, "It ended because a replay takes no more: record with a longer --every, or fewer addresses.")
	}
	_, err := fmt.Fprintf(out, "Run it: modferry simulator -c %s%c%s\n", f.out, os.PathSeparator, recording.ConfigFile)
	return err
}
