package configs_test

import (
	"os"
	"reflect"
	"testing"

	"github.com/goccy/go-yaml"

	"modferry/configs"
	"modferry/modbus/profile"
)

func TestProfileSchemaAcceptsTheProfiles(t *testing.T) {
	_, s := schemaOf(t, "profile.schema.json")
	names := profile.Names(configs.Files)
	for _, name := range names {
		if err := validate(t, s, []byte(text(t, "profiles/"+name+".yaml", ""))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(names) == 0 {
		t.Error("there are no profiles")
	}
}

// Descriptions with one mistake each are refused by the schema as they are by the
// parser, but for those that a schema cannot see.
func TestProfileSchemaSeesTheMistakes(t *testing.T) {
	data, err := os.ReadFile("../modbus/profile/testdata/mistakes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var mistakes []struct {
		R, Says string
		Hidden  bool
	}
	if err := yaml.Unmarshal(data, &mistakes); err != nil || len(mistakes) < 100 {
		t.Fatalf("%d mistakes, %v", len(mistakes), err)
	}
	_, s := schemaOf(t, "profile.schema.json")
	hidden := 0
	for _, m := range mistakes {
		err := validate(t, s, []byte("title: x\nreadings:\n  r: "+m.R))
		if (err == nil) != m.Hidden {
			t.Errorf("%s (%s): the schema says %v", m.R, m.Says, err)
		}
		if m.Hidden {
			hidden++
		}
	}
	if hidden > len(mistakes)/3 {
		t.Errorf("%d of %d mistakes are hidden from the schema", hidden, len(mistakes))
	}
}

// The same reading may stand in a configuration and in a profile.
func TestSchemasDescribeTheSameReadings(t *testing.T) {
	gateway, _ := schemaOf(t, "gateway.schema.json")
	own, _ := schemaOf(t, "profile.schema.json")
	shared := 0
	for name, def := range own["$defs"].(map[string]any) {
		other, ok := gateway["$defs"].(map[string]any)[name]
		if name == "variable" || !ok { // a profile has no variables of the environment
			continue
		}
		shared++
		if !reflect.DeepEqual(def, other) {
			t.Errorf("$defs/%s differs", name)
		}
	}
	if shared < 15 {
		t.Errorf("%d shared definitions", shared)
	}
}
