package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"modferry/gateway/message"
	"modferry/gateway/mqtt"
	"modferry/gateway/screen"
	"modferry/gateway/watch"
)

// watchFlags say what is watched.
type watchFlags struct {
	busFlags
	json, plain bool
}

func watchCommand() *cobra.Command {
	var f watchFlags
	c := &cobra.Command{
		Use: "watch", Short: "Show readings and states live, as a table",
		Long: "Shows what gateways publish: readings with their quality, age and course, and the states of gateways, buses\n" +
			"and devices. On a terminal it is a table that is kept up to date: arrows and page keys scroll, q ends it.\n" +
			"Elsewhere, or with --plain, it is a line for each change; with --json a JSON object. It goes on when the broker\n" +
			"was away, without telling again what has not changed.",
		Example: "  modferry watch\n  modferry watch --broker mqtts://192.0.2.1 --username bob --gateway hall\n  modferry watch --gateway hall --json",
		RunE: func(c *cobra.Command, _ []string) error {
			return f.watch(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	s := c.Flags()
	s.StringVar(&f.broker, "broker", "mqtt://127.0.0.1:1883", "`URL` of the broker: mqtt, mqtts, ws or wss")
	s.StringVar(&f.gateway, "gateway", "", "`NAME` of the gateway (default all whose prefix is modferry/NAME)")
	s.StringVar(&f.prefix, "prefix", "", "topic `PREFIX` if it is not modferry/<gateway>")
	s.StringVar(&f.username, "username", "", "user `NAME` at the broker")
	s.StringVar(&f.passwordFile, "password-file", "", "`FILE` with the password (or MODFERRY_PASSWORD in the environment)")
	s.StringVar(&f.ca, "ca", "", "`FILE` with the CA certificates of the broker (PEM)")
	s.StringVar(&f.cert, "cert", "", "`FILE` with our certificate for the broker (PEM)")
	s.StringVar(&f.key, "key", "", "`FILE` with the key of our certificate (PEM)")
	s.BoolVar(&f.json, "json", false, "print a JSON object for each change")
	s.BoolVar(&f.plain, "plain", false, "print a line for each change, on a terminal, too")
	return c
}

func (f watchFlags) watch(ctx context.Context, out, errors io.Writer) error {
	terminal, ok := out.(*os.File)
	asTable := ok && !f.json && !f.plain && screen.IsTerminal(out)
	w := newWatcher(f, !asTable)
	o, err := f.session(w)
	if err != nil {
		return err
	}
	session := mqtt.New(o)
	ctx, stop := context.WithCancel(ctx)
	left := make(chan struct{})
	go func() { defer close(left); session.Run(ctx) }()
	defer func() { stop(); <-left }()
	if asTable {
		return w.table(ctx, terminal)
	}
	return w.lines(ctx, out, errors)
}

// session says how to listen.
func (f watchFlags) session(w *watcher) (o mqtt.Options, err error) {
	prefix := f.topics()
	switch {
	case f.gateway != "" && !message.ValidName(f.gateway):
		return o, usage("--gateway %s: a name has 1 to 64 letters, digits, _ or -", f.gateway)
	case (f.cert == "") != (f.key == ""):
		return o, usage("--cert and --key belong together: name both files")
	case prefix != "" && !message.ValidTopic(prefix):
		return o, usage("--prefix %s: no topic can begin with it", prefix)
	}
	readings, states := watch.Filters(prefix)
	o = mqtt.Options{
		URL: f.broker, ClientID: "modferry-" + rand.Text()[:14], Username: f.username, KeepAlive: 30 * time.Second,
		AtLeastOnce: true, Topics: []string{readings}, Optional: states, Events: 1,
		Handle: w.handle, Online: w.online, Failed: func(err error) { w.lost(f.inWords(err)) },
	}
	o.Logger = discarded
	if o.Password, err = f.password(); err != nil {
		return o, err
	}
	o.TLS, err = mqtt.TLS(f.ca, f.cert, f.key, "")
	return o, err
}

// inWords says what is wrong in words that fit the flags.
func (f watchFlags) inWords(err error) error {
	err = busFlags{}.explain(err)
	if err != nil && f.topics() == "" && strings.Contains(err.Error(), "access rules") {
		return fmt.Errorf("%w; they may allow one gateway: name it with --gateway", err)
	}
	return err
}

// topics is the prefix of the gateway that is watched, "" for all.
func (f watchFlags) topics() string {
	switch {
	case f.prefix != "":
		return strings.TrimSuffix(f.prefix, "/")
	case f.gateway != "":
		return "modferry/" + f.gateway
	}
	return ""
}

// where is what is watched, for people.
func (f watchFlags) where() string {
	if p := f.topics(); p != "" {
		return fmt.Sprintf("%s at %s", p, shownURL(f.broker))
	}
	return "all gateways at " + shownURL(f.broker)
}
