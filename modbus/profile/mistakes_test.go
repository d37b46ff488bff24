package profile_test

import (
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"modferry/modbus/profile"
)

// mistake is an entry of testdata/mistakes.yaml.
type mistake struct {
	R      string // what stands behind "r: "
	Says   string
	Hidden bool // from the schema
}

func TestMistakes(t *testing.T) {
	data, err := os.ReadFile("testdata/mistakes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var mistakes []mistake
	if err := yaml.UnmarshalWithOptions(data, &mistakes, yaml.Strict()); err != nil || len(mistakes) < 100 {
		t.Fatalf("%d mistakes, %v", len(mistakes), err)
	}
	for _, m := range mistakes {
		_, err := profile.Parse("x.yaml", []byte(small+"  r: "+m.R))
		if err == nil || !strings.Contains(err.Error(), m.Says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n got %v\nwant one problem with %q", m.R, err, m.Says)
		}
	}
}
