package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modferry/configs"
	"modferry/gateway/gatewaytest"
	"modferry/modbus/profile"
)

// deviceReference describes the built-in profiles.
func deviceReference(t *testing.T) string {
	t.Helper()
	var b, sources strings.Builder
	b.WriteString("\n| profile | device | as delivered | readings |\n|-|-|-|-|\n")
	for _, name := range profile.Names(configs.Files) {
		p, err := profile.Load(configs.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "| [`%s`](../configs/profiles/%s.yaml) | %s | %s | %s |\n", name, name, p.Title, delivered(p), readingNames(p))
		fmt.Fprintf(&sources, "- `%s`: %s\n", name, p.Source)
	}
	return b.String() + "\nSources:\n\n" + sources.String()
}

func delivered(p *profile.Profile) string {
	return fmt.Sprintf("unit %d, %d baud, %d%s%d", p.Unit, p.Serial.Baud, p.Serial.DataBits, strings.ToUpper(p.Serial.Parity[:1]), p.Serial.StopBits)
}

// readingNames lists readings with their units, those that can be set in bold.
func readingNames(p *profile.Profile) string {
	var all []string
	for _, r := range p.Readings {
		name := r.Name
		if r.Set != nil {
			name = "**" + name + "**"
		}
		if r.Unit != "" {
			name += " (" + r.Unit + ")"
		}
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}

// The page on devices shows a profile and a configuration with it: both are used as
// they stand, beside a virtual device of that profile.
func TestDocsOwnProfileWorks(t *testing.T) {
	page, err := os.ReadFile("../../docs/devices.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, block := range blocks(string(page), "yaml") {
		first, _, _ := strings.Cut(block, "\n")
		name, ok := strings.CutPrefix(first, "# ")
		if !ok {
			t.Fatalf("a block of the page names no file: %s", first)
		}
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kiln, err := profile.Parse("kiln.yaml", read(t, filepath.Join(dir, "profiles", "kiln.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	app := gatewaytest.Client(t, "tcp://"+runPage(t, dir, string(page)), gatewaytest.ClientOptions{})
	waiting := map[string]bool{}
	for _, r := range kiln.Readings {
		waiting["kiln/"+r.Name] = true
	}
	awaitGood(t, app, "workshop", waiting)
	app.Subscribe("modferry/workshop/device/kiln/alarms", 1).Await(profilePatience, func(m gatewaytest.Message) bool {
		return strings.HasPrefix(string(m.Payload), `{"value":["sensor broken","too hot"],`)
	})

	results := app.Subscribe("modferry/workshop/device/kiln/setpoint/set/result", 1)
	app.Publish("modferry/workshop/device/kiln/setpoint/set", 1, false, "950")
	if m := results.Next(profilePatience); !strings.Contains(string(m.Payload), `"ok":true`) {
		t.Errorf("%s", m.Payload)
	}
	app.Subscribe("modferry/workshop/device/kiln/setpoint", 1).Await(profilePatience, func(m gatewaytest.Message) bool {
		return strings.HasPrefix(string(m.Payload), `{"value":950,`)
	})
}

// runPage runs the commands of the page's last block of them in a folder, as they are
// written but for their ports, and returns where the broker is.
func runPage(t *testing.T, dir, page string) (broker string) {
	t.Helper()
	t.Chdir(dir)
	t.Setenv("STATE_DIRECTORY", filepath.Join(dir, "state"))
	server, broker := free(t), free(t)
	file := filepath.Join(dir, "gateway.yaml")
	text := strings.NewReplacer("127.0.0.1:5020", server, "broker: {}", "broker: {mqtt: '"+broker+"'}").Replace(string(read(t, file)))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all := blocks(page, "sh")
	ran := 0
	for line := range strings.Lines(all[len(all)-1]) {
		line, _, _ = strings.Cut(line, " #")
		args := strings.Fields(strings.ReplaceAll(line, "127.0.0.1:5020", server))[1:]
		ran++
		if args[0] == "check" {
			if code, out, errs := modferry(t, args...); code != exitGood || errs != "" {
				t.Errorf("%s: exit code %d\n%s%s", line, code, out, errs)
			}
			continue
		}
		alongside(t, func(ctx context.Context) error {
			if code := run(ctx, args, strings.NewReader(""), t.Output(), t.Output()); code != exitGood {
				return fmt.Errorf("%s: exit code %d", line, code)
			}
			return nil
		})
		awaitPort(t, map[string]string{"simulator": server, "gateway": broker}[args[0]])
	}
	if ran != 3 {
		t.Errorf("%d commands", ran)
	}
	return broker
}

// free returns an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// awaitPort returns when somebody listens.
func awaitPort(t *testing.T, address string) {
	t.Helper()
	for end := time.Now().Add(profilePatience); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A profile of one's own with mistakes is refused with all of them, as a configuration is.
func TestOwnProfileWithMistakes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte("title: x\nreadings: {a: {coil: x}, b: {holdings: 1}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := modferry(t, "simulator", "--profile", file, "--tcp", "127.0.0.1:0")
	if code != exitUsage || !strings.Contains(errs, "mine.yaml:2:") || strings.Count(errs, "\n") < 2 {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	for name, want := range map[string]string{file + ".yaml": "cannot name a profile", filepath.Join(t.TempDir(), "none.yaml"): "none.yaml"} {
		if code, _, errs := modferry(t, "simulator", "--profile", name, "--tcp", "127.0.0.1:0"); code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d\n%s", name, code, errs)
		}
	}
}
