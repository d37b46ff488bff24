package replay_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/simulator/config"
	"modferry/simulator/device"
	"modferry/simulator/simulatortest"
)

func replayed(t *testing.T, csv, keys string) (*device.Device, *simulatortest.Clock, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"log.csv": csv,
		"x.yaml":  "title: x\nreadings: {none: {coil: 999}}\nregisters:\n  v: {input: 0, type: int16, scale: 0.1, no_data: 0x8000, replay: {file: log.csv, " + keys + "}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := profile.LoadFile(filepath.Join(dir, "x.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c := simulatortest.NewClock()
	d, err := device.New(device.Options{Profile: p}, c.Now, slog.New(slog.DiscardHandler))
	return d, c, err
}

func TestReplay(t *testing.T) {
	const timed = "# of a kiln\nseconds, hot, cold\n100, 21.5, 1\n102, 22.5, 2\n103, , 3\n"
	const dated = "when,hot\n2026-11-24T12:00:00Z,1\n2026-11-24T13:00:02+01:00,2\n"
	for _, c := range []struct {
		csv, keys string
		want      []string // one a second
	}{
		{timed, "column: hot, time: seconds", []string{"21.5", "21.5", "22.5", "null", "21.5", "21.5", "22.5"}},
		{timed, "column: 3, time: 1, loop: false", []string{"1", "1", "2", "3", "3", "3"}},
		{timed, "column: cold, time: seconds, speed: 2", []string{"1", "2", "1", "2"}},
		{timed, "column: cold, every: 2s", []string{"1", "1", "2", "2", "3", "3", "1"}},
		{dated, "column: hot, time: when", []string{"1", "1", "2", "2", "1"}},
	} {
		d, clock, err := replayed(t, c.csv, c.keys)
		if err != nil {
			t.Errorf("%s: %v", c.keys, err)
			continue
		}
		for i, want := range c.want {
			v, err := d.Value("v")
			if string(v.JSON()) != want || (err != nil) != (want == "null") {
				t.Errorf("%s: %s after %d s, want %s", c.keys, v.JSON(), i, want)
			}
			clock.Advance(time.Second)
		}
	}
}

// Whatever is wrong with a file is told in one sentence, with the line.
func TestReplayRefuses(t *testing.T) {
	const timed, even = "column: v, time: t", "column: v, every: 1s"
	for want, c := range map[string][2]string{
		"it is empty: the first line must have the names": {"", even},
		"it is empty": {"# only this\n", even},
		"there are no values after the first line":                                                   {"t,v\n", timed},
		"no column \"v\": the first line has t, w":                                                   {"t,w\n0,1\n", even},
		"there are two columns \"v\", the 2. and the 3.":                                             {"t,v,v\n0,1,2\n", timed},
		"there are two columns \"t\", the 1. and the 3.":                                             {"t,v,t\n0,1,2\n", timed},
		"line 3 has 1 columns, the first line has 2":                                                 {"t,v\n0,1\n1\n", timed},
		"columns are separated by commas":                                                            {"v\n1,5\n", even},
		"line 2: expected a number such as 21.5, got \"one\"":                                        {"t,v\n0,one\n", timed},
		"line 3: expected a number such as 21.5, got \"inf\"":                                        {"t,v\n0,1\n1,inf\n", timed},
		"line 3: its time is before that of the line above":                                          {"t,v\n5,1\n4,2\n", timed},
		"line 2: expected seconds such as 12.5, or a time such as 2026-11-24T12:00:00Z, got \"NaN\"": {"t,v\nNaN,1\n", timed},
		"parse error on line 2":                                                                      {"t,v\n0,\"1\n", timed},
		"got \"9999999999999999999999999999999999999999...\"":                                        {"t,v\n0," + strings.Repeat("9", 5000) + "\n", timed},
		"c, c and 4981 more":                                                                         {strings.Repeat("c,", 5000) + "c\n" + strings.Repeat("0,", 5000) + "0\n", even},
	} {
		if _, _, err := replayed(t, c[0], c[1]); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "log.csv") || strings.Contains(err.Error(), "\n") || len(err.Error()) > 500 {
			t.Errorf("%v\nwant %q", err, want)
		}
	}
	p, err := profile.Parse("x.yaml", []byte("title: x\nreadings: {none: {coil: 999}}\nregisters: {v: {input: 0, type: int16, replay: {file: /none.csv, column: a, every: 1s}}}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := device.New(device.Options{Profile: p}, time.Now, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "/none.csv") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// A file beyond the limit is refused at once, not read up to there.
func TestRecordingsAreBounded(t *testing.T) {
	dir := t.TempDir()
	large, err := os.Create(filepath.Join(dir, "values.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer large.Close()
	if err := large.Truncate(256<<20 + 1); err != nil {
		t.Fatal(err)
	}
	_, err = config.Parse(filepath.Join(dir, "x.yaml"), []byte("devices: [{registers: {v: {input: 0, type: uint16, replay: {file: values.csv, column: v, time: t}}}}]\ntcp: 127.0.0.1:0\n"), nil)
	if err == nil || !strings.Contains(err.Error(), "values.csv has 257 MiB, at most 256 MiB can be read") {
		t.Error(err)
	}
}

// A file is read once: what was checked is what is shown, to all registers of it.
func TestRecordingsAreReadOnce(t *testing.T) {
	var registers []string
	head, row := []string{"t"}, []string{"0"}
	for i := range 300 {
		registers = append(registers, fmt.Sprintf("r%d: {input: %d, type: uint16, replay: {file: values.csv, column: c%d, time: t}}", i, i, i))
		head, row = append(head, fmt.Sprintf("c%d", i)), append(row, fmt.Sprint(7*i))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "values.csv")
	if err := os.WriteFile(file, []byte(strings.Join(head, ",")+"\n"+strings.Join(row, ",")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse(filepath.Join(dir, "x.yaml"), []byte("devices: [{unit: 1, registers: {"+strings.Join(registers, ", ")+"}}]\ntcp: 127.0.0.1:0\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	d := simulatortest.Device(t, c.Devices[0], nil)
	for _, i := range []int{0, 1, 150, 299} {
		if v, ok := d.ReadTable(modbus.InputRegisters, uint16(i), 1); !ok || v[0] != uint16(7*i) {
			t.Errorf("register %d has %v", i, v)
		}
	}
}

// Numbers that no float64 is are shown with all their digits, if nothing is done to them.
func TestReplayKeepsAllDigits(t *testing.T) {
	const csv = "most,least\n18446744073709551615,-9007199254740993\n"
	for keys, want := range map[string]string{
		"type: uint64, replay: {file: values.csv, column: most, every: 1s}":                    "0408FFFFFFFFFFFFFFFF",
		"type: int64, replay: {file: values.csv, column: least, every: 1s}":                    "0408FFDFFFFFFFFFFFFF",
		"type: int64, replay: {file: values.csv, column: least, every: 1s, resolution: 65536}": "0408FFE0000000000000",
		"type: int64, min: -5, replay: {file: values.csv, column: least, every: 1s}":           "0408FFFFFFFFFFFFFFFB",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "values.csv"), []byte(csv), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Parse(filepath.Join(dir, "x.yaml"), []byte("devices: [{registers: {v: {input: 0, "+keys+"}}}]\ntcp: 127.0.0.1:0\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		d := simulatortest.Device(t, c.Devices[0], nil)
		if got := simulatortest.Ask(t, d, "04 0000 0004"); got != want {
			t.Errorf("%s: %s, want %s", keys, got, want)
		}
	}
}

// An empty cell and NaN are no value.
func TestReplayWithoutValues(t *testing.T) {
	for cell, want := range map[string]string{"": "null", "NaN": "null", "nan": "null", "5": "5"} {
		d, _, err := replayed(t, "t,v\n0,"+cell+"\n", "column: v, time: t")
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := d.Value("v"); string(v.JSON()) != want {
			t.Errorf("%q is %s", cell, v.JSON())
		}
	}
}
