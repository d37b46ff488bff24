package configs_test

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"modferry/configs"
	"modferry/gateway/config"
)

// environment has the variables that the examples name.
func environment(name string) (string, bool) { return "hunter2", name == "MQTT_PASSWORD" }

// examples are the gateway configurations that are shipped.
func examples(t *testing.T) []string {
	t.Helper()
	files, err := fs.Glob(configs.Files, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(files, func(file string) bool { return !strings.HasPrefix(text(t, file, "gateway: "), "gateway: ") })
}

// text returns a shipped file, from the line on that begins with start.
func text(t *testing.T, file, start string) string {
	t.Helper()
	data, err := configs.Files.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if i := strings.Index("\n"+string(data), "\n"+start); i >= 0 {
		return string(data)[i:]
	}
	return ""
}

func load(t *testing.T, file string) *config.Config {
	t.Helper()
	c, err := config.Parse(file, []byte(text(t, file, "")), config.Options{Env: environment, Profiles: configs.Files})
	if err != nil {
		t.Fatalf("%s:\n%v", file, err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("%s: an example should not have warnings:\n%v", file, c.Warnings)
	}
	return c
}

func TestExamples(t *testing.T) {
	files := examples(t)
	for _, want := range []string{"demo.yaml", "gateway-tcp.yaml", "gateway.yaml"} {
		if !slices.Contains(files, want) {
			t.Errorf("%s is not among %q", want, files)
		}
	}
	for _, file := range files {
		c := load(t, file)
		if len(c.Devices) == 0 {
			t.Errorf("%s has nothing to read", file)
		}
	}
}

func TestExampleOfASerialLine(t *testing.T) {
	c := load(t, "gateway.yaml")
	if s := c.Buses[0].Serial; s.Path != "/dev/ttyUSB0" || s.Baud != 9600 || s.Parity != "none" {
		t.Errorf("%+v", s)
	}
	var readings []string
	for _, r := range c.Devices[0].Readings {
		readings = append(readings, r.Name)
	}
	if !slices.Equal(readings, []string{"temperature", "humidity", "correction"}) {
		t.Errorf("readings %q", readings)
	}
}

// TestCommentedSections: what an example shows commented out must be right too.
func TestCommentedSections(t *testing.T) {
	var lines []string
	for line := range strings.Lines(text(t, "gateway.yaml", "gateway: ")) {
		bare := strings.TrimLeft(line, " ")
		commented, ok := strings.CutPrefix(bare, "# ")
		if key, _, isKey := strings.Cut(strings.TrimLeft(commented, " "), ":"); ok && isKey && !strings.Contains(key, " ") {
			bare = commented // a key or a list's item, not a sentence
		}
		lines = append(lines, line[:len(line)-len(strings.TrimLeft(line, " "))]+bare)
	}
	cert, key := selfSigned(t, t.TempDir())
	files := map[string]string{"gateway.pem": cert, "gateway.key": key}
	o := config.Options{Env: environment, Profiles: configs.Files, ReadFile: func(file string) ([]byte, error) {
		if name, ok := files[file]; ok {
			return os.ReadFile(name)
		}
		return []byte("x"), nil
	}}
	c, err := config.Parse("gateway.yaml", []byte(strings.Join(lines, "")), o)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, strings.Join(lines, ""))
	}
	if c.MQTT.URL != "mqtts://broker.example:8883" || c.Broker.Users["panel"].Password.Reveal() != "x" || c.Buses[0].Request != "abc" || c.Broker.TLS == nil || c.HTTP.TLS == nil {
		t.Errorf("%+v", c)
	}
}
