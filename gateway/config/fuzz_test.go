package config_test

import (
	"os"
	"testing"

	"modferry/gateway/config"
)

func FuzzParse(f *testing.F) {
	for _, file := range []string{"testdata/contract.yaml", "testdata/mistakes.yaml"} {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(minimal("tcp: h", "")))
	o := options("mqtt.password", "ca.pem", "client.pem", "client.key", "panel.password")
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("g.yaml", data, o)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		if err != nil {
			return
		}
		for _, b := range c.Buses {
			if (b.Serial == nil) == (b.TCP == nil) || b.LineFraming() == 0 || b.Timeout <= 0 || b.Queue <= 0 {
				t.Errorf("accepted %q with bus %+v", data, b)
			}
		}
		for _, d := range c.Devices {
			if len(d.Readings) == 0 || d.Every <= 0 || d.Bus == "" {
				t.Errorf("accepted %q with device %+v", data, d)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		b.Fatal(err)
	}
	o := options("mqtt.password", "ca.pem", "client.pem", "client.key", "panel.password")
	for b.Loop() {
		if _, err := config.Parse("g.yaml", data, o); err != nil {
			b.Fatal(err)
		}
	}
}
