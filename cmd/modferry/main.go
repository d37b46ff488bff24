// Command modferry carries Modbus between MQTT topics and field devices, and is a
// virtual device to test against.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"modferry/gateway/screen"
)

// Exit codes.
const (
	exitGood   = 0
	exitFailed = 1 // it was tried and did not work
	exitUsage  = 2 // wrong flags, arguments or configuration
)

// version is set by the linker for releases.
var version = ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command and returns the exit code. Errors go to stderr, one line each.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := command()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitGood
	}
	if text := strings.TrimRight(err.Error(), "\n"); text != "" {
		for line := range strings.Lines(text) { // devices and gateways elsewhere have their say in it
			fmt.Fprintln(stderr, screen.Clean(strings.TrimRight(line, "\n")))
		}
	}
	var wrong *usageError
	if errors.As(err, &wrong) || strings.HasPrefix(err.Error(), "unknown command") {
		return exitUsage
	}
	return exitFailed
}

// usageError: the command line or the configuration is wrong.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// errSilent ends with exit code 1 after everything was said.
var errSilent = errors.New("")

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "modferry",
		Short:         "Modbus over MQTT: a gateway to field devices, and a virtual device to test against",
		Long:          "modferry takes Modbus frames from MQTT topics, runs them on serial lines and TCP, publishes the\nreplies and retained sensor readings, and brings a virtual temperature device for testing.\n\nTry it: modferry demo",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       versionText(),
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%w: see modferry %s --help", err, strings.TrimPrefix(c.CommandPath(), "modferry "))
	})
	root.InitDefaultCompletionCmd()
	root.AddCommand(demoCommand(), gatewayCommand(), simulatorCommand(), sendCommand(), tunnelCommand(), scanCommand(), watchCommand(), decodeCommand(), checkCommand(), doctorCommand(), traceCommand(), versionCommand())
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.RunE = func(*cobra.Command, []string) error { return usage("name your shell: bash, zsh, fish or powershell") }
			continue
		}
		for _, c := range append(c.Commands(), c) {
			complete(c)
		}
	}
	return root
}

// complete is what all commands have.
func complete(c *cobra.Command) {
	c.Args = orUsage(c, c.Args)
	offer(c, "log", "debug", "info", "warn", "error")
	if c.Flags().Lookup("config") != nil {
		_ = c.MarkFlagFilename("config", "yaml", "yml") // the flag is there
	}
}

// offer completes a flag, if the command has it, with values.
func offer(c *cobra.Command, flag string, values ...string) {
	if c.Flags().Lookup(flag) != nil {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	}
}

// orUsage makes wrong arguments a usage error that names the help.
func orUsage(c *cobra.Command, check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		check = cobra.NoArgs
	}
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usage("%w: see modferry %s --help", err, strings.TrimPrefix(c.CommandPath(), "modferry "))
		}
		return nil
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version",
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), "modferry", versionText())
			return err
		},
	}
}

// versionText is the release's version, or that of the module's build.
func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}
