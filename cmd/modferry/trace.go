package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"modferry/gateway/message"
	"modferry/gateway/screen"
	"modferry/gateway/trace"
)

// traceFlags say which bus of which gateway is watched, and how that is shown.
type traceFlags struct {
	http, bus, username, passwordFile, pcap string
	unit, count                             int
	json, force                             bool
}

func traceCommand() *cobra.Command {
	f := traceFlags{}
	c := &cobra.Command{
		Use: "trace --bus NAME", Short: "Show the frames on a bus of a gateway, or write them into a capture file",
		Long: "Follows the frames of a bus over the gateway's HTTP listener: at first those of the last while, then what\n" +
			"comes, until Ctrl-C or --count. Each line is a transaction: when, unit, who asked, how long it took, what\n" +
			"became of it, request and reply.\n" +
			"With --pcap they go into a file for packet analysers such as Wireshark, as Modbus TCP whatever the line is.",
		Example: "  modferry trace --bus line\n  modferry trace --http http://192.0.2.7:8080 --username ann --bus rs485 --unit 5 --pcap rs485.pcap",
		RunE: func(c *cobra.Command, _ []string) error {
			return f.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	s := c.Flags()
	s.StringVar(&f.http, "http", "http://127.0.0.1:8080", "`URL` of the gateway's HTTP listener")
	s.StringVar(&f.bus, "bus", "", "`NAME` of the bus")
	s.StringVar(&f.username, "username", "", "user `NAME` at the gateway (http.users)")
	s.StringVar(&f.passwordFile, "password-file", "", "`FILE` with the password (or MODFERRY_PASSWORD in the environment)")
	s.IntVar(&f.unit, "unit", -1, "only this unit `ID`")
	s.IntVar(&f.count, "count", 0, "end after so many transactions (default until it is interrupted)")
	s.StringVar(&f.pcap, "pcap", "", "write a packet capture to `FILE`; - is the standard output")
	s.BoolVar(&f.force, "force", false, "replace a file that is there")
	s.BoolVar(&f.json, "json", false, "print each transaction as a JSON line")
	_ = c.MarkFlagFilename("pcap", "pcap") // the flag is there
	return c
}

func (f traceFlags) run(ctx context.Context, out, notes io.Writer) error {
	address, err := f.address()
	if err != nil {
		return err
	}
	password, err := busFlags{passwordFile: f.passwordFile}.password()
	if err != nil {
		return err
	}
	show, finish, err := f.shower(out)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }} // the password is for this one
	seen, last := 0, uint64(0)
	take := func(e trace.Entry) error {
		last = e.Number
		if err := show(e); err != nil {
			return err
		}
		if seen++; seen == f.count {
			stop()
			return context.Canceled
		}
		return nil
	}
	lost := func(n uint64) {
		fmt.Fprintf(notes, "%s not shown: they came faster than they could be written\n", count(int(n), "transaction is", "transactions are"))
	}
	for ctx.Err() == nil && err == nil {
		var r *http.Request
		if r, err = http.NewRequestWithContext(ctx, http.MethodGet, address, nil); err != nil {
			break
		}
		if f.username != "" {
			r.SetBasicAuth(f.username, password)
		}
		err = f.lasting(ctx, trace.Follow(client, r, last, take, lost), notes)
	}
	client.CloseIdleConnections()
	return errors.Join(err, finish())
}

// lasting returns the errors that waiting does not mend; after others it waits a while.
func (f traceFlags) lasting(ctx context.Context, err error, notes io.Writer) error {
	var refused *trace.Refused
	var path *os.PathError
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError:
		return fmt.Errorf("%s: %w", f.http, err)
	case errors.Is(err, trace.ErrGone), errors.As(err, &path):
		return err
	}
	fmt.Fprintln(notes, screen.Clean(fmt.Sprintf("%s: %v; trying again", f.http, err)))
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	return nil
}

func (f traceFlags) address() (string, error) {
	u, err := url.Parse(f.http)
	switch {
	case !message.ValidName(f.bus):
		return "", usage("--bus NAME is missing or no name: it has 1 to 64 letters, digits, _ or -")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", usage("--http %s: it must be like http://127.0.0.1:8080", f.http)
	case f.unit < -1 || f.unit > 255:
		return "", usage("--unit %d: it must be 0 to 255", f.unit)
	case f.count < 0:
		return "", usage("--count %d: it cannot be negative", f.count)
	}
	query := url.Values{"bus": {f.bus}}
	if f.unit >= 0 {
		query.Set("unit", fmt.Sprint(f.unit))
	}
	return strings.TrimSuffix(f.http, "/") + "/api/trace?" + query.Encode(), nil
}

// shower returns what shows an entry, and what is to be called at the end.
func (f traceFlags) shower(out io.Writer) (show func(trace.Entry) error, finish func() error, err error) {
	finish = func() error { return nil }
	if f.pcap == "" {
		if f.json {
			return func(e trace.Entry) error { return json.NewEncoder(out).Encode(e) }, finish, nil
		}
		return func(e trace.Entry) error { _, err := fmt.Fprintln(out, traced(e)); return err }, finish, nil
	}
	if f.pcap != "-" {
		mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
		if f.force {
			mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
		}
		file, err := os.OpenFile(f.pcap, mode, 0o600)
		if errors.Is(err, os.ErrExist) {
			return nil, nil, usage("--pcap %s: the file is there; choose another name, or --force", f.pcap)
		}
		if err != nil {
			return nil, nil, usage("--pcap: %w", err)
		}
		out, finish = file, file.Close
	}
	capture, err := trace.NewCapture(out)
	if err != nil {
		return nil, nil, errors.Join(err, finish())
	}
	return capture.Add, finish, nil
}

// traced is an entry as a line.
func traced(e trace.Entry) string {
	who := screen.Cut(screen.Clean(e.Client), 64)
	switch {
	case e.Poll:
		who = "(poll)"
	case who == "":
		who = "-"
	}
	outcome := e.Outcome.String()
	if e.Exception != 0 {
		outcome += fmt.Sprintf(" %02X", e.Exception)
	}
	line := fmt.Sprintf("%s  unit %-3d  %-12s %8.1f ms  %-12s  % X", e.Time.Local().Format("15:04:05.000"), e.Unit, who,
		float64(e.Elapsed.Microseconds())/1000, outcome, e.Request)
	if len(e.Reply) > 0 {
		line += fmt.Sprintf("  >  % X", e.Reply)
	}
	return line
}
