package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"modferry/configs"
	"modferry/gateway/config"
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
	kiln, address := virtual(t, filepath.Join(dir, "profiles", "kiln.yaml"))
	app := ownGateway(t, filepath.Join(dir, "gateway.yaml"), address)
	waiting := map[string]bool{}
	for _, r := range kiln.Profile().Readings {
		waiting["kiln/"+r.Name] = true
	}
	awaitGood(t, app, waiting)

	results := app.Subscribe("modferry/w/device/kiln/setpoint/set/result", 1)
	app.Publish("modferry/w/device/kiln/setpoint/set", 1, false, "950")
	if m := results.Next(profilePatience); !strings.Contains(string(m.Payload), `"ok":true`) {
		t.Errorf("%s", m.Payload)
	}
	if v, err := kiln.Value("setpoint"); err != nil || v.Float() != 950 {
		t.Errorf("the set-point is %v, %v", v, err)
	}
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

// ownGateway runs the page's configuration with another address of its bus and its broker.
func ownGateway(t *testing.T, file, address string) *gatewaytest.Peer {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for old, replacement := range map[string]string{
		"gateway: workshop": "gateway: w", "127.0.0.1:5020": address, "mqtt: {url: mqtt://127.0.0.1:1883}": "broker: {mqtt: 127.0.0.1:0}\ndata_dir: data",
	} {
		if !strings.Contains(string(text), old) {
			t.Fatalf("the configuration has no %q:\n%s", old, text)
		}
		text = []byte(strings.ReplaceAll(string(text), old, replacement))
	}
	return gatewayOf(t, file, string(text), config.Options{Profiles: configs.Files})
}
