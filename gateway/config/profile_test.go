package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"modferry/configs"
	"modferry/configs/strictyaml"
	"modferry/gateway/config"
	"modferry/modbus/profile"
)

const ownProfile = "title: Mine\nlimits: {registers: 10, gap: 0}\nreadings: {level: {input: 5, type: uint16}}\n"

// folder holds a configuration and its folder of profiles, profiles/<name>.
func folder(t *testing.T, devices string, profiles map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "mine"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range profiles {
		if err := os.WriteFile(filepath.Join(dir, "mine", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := minimal("tcp: h", "profiles: mine\ndevices: {d: {bus: b, unit: 1, "+devices+"}}")
	if err := os.WriteFile(filepath.Join(dir, "g.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "g.yaml")
}

func TestOwnProfiles(t *testing.T) {
	for name, tt := range map[string]struct {
		devices  string
		profiles map[string]string
		want     string // the profile's title, or a part of the problem
	}{
		"an own one":                         {"profile: tank", map[string]string{"tank.yaml": ownProfile}, "Mine"},
		"instead of a built-in one":          {"profile: xy-md02", map[string]string{"xy-md02.yaml": ownProfile}, "Mine"},
		"a built-in one":                     {"profile: xy-md02", nil, "XY-MD02"},
		"a broken one that is unused":        {"profile: xy-md02", map[string]string{"tank.yaml": "readings: [a"}, "XY-MD02"},
		"a broken one":                       {"profile: tank", map[string]string{"tank.yaml": "title: x\nreadings: {a: {input: 1}}"}, "mine" + string(filepath.Separator) + "tank.yaml:2:15: readings.a.type"},
		"a broken one before a built-in one": {"profile: xy-md02", map[string]string{"xy-md02.yaml": "[]"}, "the profile has mistakes"},
		"a typing error":                     {"profile: tnak", map[string]string{"tank.yaml": ownProfile}, `there is no profile "tnak": did you mean tank?`},
		"none of this name":                  {"profile: other", map[string]string{"zz.yaml": ownProfile, "no profile.yaml": "", "a.txt": ""}, "yaskawa-v1000, zz"},
		"a way out":                          {"profile: ../g", nil, `there is no profile "../g"`},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := config.Load(folder(t, tt.devices, tt.profiles), config.Options{Profiles: configs.Files})
			if err == nil {
				if d := c.Devices[0]; !strings.HasPrefix(d.Model, tt.want) || d.Profile == "" || filepath.Base(c.Profiles) != "mine" {
					t.Errorf("%+v; want %s", d, tt.want)
				}
				return
			}
			var problems strictyaml.Problems
			if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v\nwant one problem with %s", err, tt.want)
			}
		})
	}
}

// A file that can be read by nobody is told apart from one that is not there.
func TestOwnProfileThatCannotBeRead(t *testing.T) {
	file := folder(t, "profile: tank", nil)
	if err := os.Mkdir(filepath.Join(filepath.Dir(file), "mine", "tank.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(file, config.Options{}); err == nil || !strings.Contains(err.Error(), "devices.d.profile: cannot read the profile: ") {
		t.Error(err)
	}
}

// What a running gateway watches includes the profiles, and the places where one could appear.
func TestOwnProfilesAreReadAsTheConfigurationIs(t *testing.T) {
	file := folder(t, "profile: xy-md02", map[string]string{"tank.yaml": ownProfile})
	var asked []string
	read := func(name string) ([]byte, error) {
		asked = append(asked, filepath.Base(name))
		return os.ReadFile(name)
	}
	if _, err := config.Load(file, config.Options{ReadFile: read, Profiles: configs.Files}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(asked, " "); got != "g.yaml xy-md02.yaml" {
		t.Errorf("files read: %s", got)
	}
}

// What can hardly be meant in a profile is a warning where a device names it.
func TestWarningsOfAnOwnProfile(t *testing.T) {
	const odd = "title: x\nreadings:\n  level: {holding: 1, type: int16, class: levle, set: {min: 0, max: 9, step: 0.5}}\n"
	c, err := config.Load(folder(t, "profile: tank", map[string]string{"tank.yaml": odd}), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	warnings := fmt.Sprint(c.Warnings)
	for _, want := range []string{"tank.yaml:3:78: readings.level.set.step: the register holds multiples of 1", "reading level: Home Assistant has no class levle"} {
		if len(c.Warnings) != 2 || !strings.Contains(warnings, want) || !strings.Contains(warnings, "devices.d.profile: ") {
			t.Errorf("%s: want two, one with %s", warnings, want)
		}
	}
}

func TestLimitsOfADevice(t *testing.T) {
	for keys, want := range map[string]profile.Limits{
		"profile: tank":                                        {Registers: 10, Bits: 2000},
		"profile: tank, max_gap: 4":                            {Registers: 10, Bits: 2000, Gap: 4},
		"profile: tank, limits: {registers: 20, bits: 16}":     {Registers: 20, Bits: 16},
		"readings: {r: {coil: 1}}, limits: {gap: 0}":           {Registers: 125, Bits: 2000},
		"readings: {r: {coil: 1}}, max_gap: 0":                 {Registers: 125, Bits: 2000},
		"readings: {r: {coil: 1}}, limits: {bits: 8, gap: 20}": {Registers: 125, Bits: 8, Gap: 20},
	} {
		c, err := config.Load(folder(t, keys, map[string]string{"tank.yaml": ownProfile}), config.Options{Profiles: configs.Files})
		if err != nil || c.Devices[0].Limits != want {
			t.Errorf("%s: %+v, %v; want %+v", keys, c.Devices[0].Limits, err, want)
		}
	}
}
