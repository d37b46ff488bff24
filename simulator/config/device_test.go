package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"modferry/configs"
	"modferry/simulator/config"
	"modferry/simulator/device"
	"modferry/simulator/simulatortest"
)

// only returns the one device of a configuration.
func only(t testing.TB, text string, files map[string]string) *device.Device {
	t.Helper()
	c, err := simulatortest.Configured(t, text, files)
	if err != nil {
		t.Fatal(err)
	}
	return simulatortest.Device(t, c.Devices[0], nil)
}

// A device that no profile describes has what the file says, and nothing else.
func TestDescribedDevice(t *testing.T) {
	d := only(t, `
tcp: :0
devices:
  - unit: 9
    title: A controller
    tables: {coil: 16, discrete: 16, input: 8, holding: 65536}
    registers:
      level: {holding: 2, type: float32, initial: 1.5, min: 0, max: 10}
      serial_number: {holding: 10, type: uint32, initial: 4711, read_only: true}
      locked: {holding: 20, type: uint16, initial: 3, read_only: true, refusal: 3}
      never: {coil: 3, read_only: true, refusal: 1}
      pattern: {discrete: 0, count: 8, initial: [1, 0, 1, 1, 0, 0, 1, 0]}
      far: {input: 1000, type: uint16, count: 2, initial: [5, 6]}
    server_id: {id: 0xB4, text: LMB}
    identification: {vendor: Acme, product_code: C1, revision: "1.0", 0x80: more}
`, nil)
	for _, step := range []struct{ request, want string }{
		{"0300000002", "0304 0000 0000"},
		{"0300020002", "0304 3FC0 0000"},
		{"03FFFF0001", "0302 0000"},
		{"06FFFF0007", "06FFFF0007"},
		{"10 0002 0002 04 4170 0000", "9003"},
		{"06000A0001", "8602"},
		{"0600140001", "8603"},
		{"10 0013 0002 04 0001 0001", "9003"},
		{"0300130001", "0302 0000"},
		{"050003FF00", "8501"},
		{"050004FF00", "050004FF00"},
		{"0100000010", "0102 10 00"},
		{"0200000008", "0201 4D"},
		{"0400070001", "0402 0000"},
		{"0400080001", "8402"},
		{"0403E80002", "0404 0005 0006"},
		{"0403E90002", "8402"},
		{"11", "11 05 B4FF 4C4D42"},
		{"2B0E0100", "2B0E 01 83 00 00 03 00 04 41636D65 01 02 4331 02 03 312E30"},
		{"2B0E0480", "2B0E 04 83 00 00 01 80 04 6D6F7265"},
		{"0700", "8701"},
	} {
		if got, want := simulatortest.Ask(t, d, step.request), strings.ReplaceAll(step.want, " ", ""); got != want {
			t.Errorf("%s: %s, want %s", step.request, got, want)
		}
	}
}

const listed = `# made by a spreadsheet
table,address,type,value,access,name,count,order,scale
holding,0,uint16,7,,,,,
holding,0x10,int16,-20.5,rw,temperature,,,0.1
holding,20,float32,1.5,ro,,,little-swap,
holding,22,uint16,0xBEEF,ro:3,,,,
holding,30,string,MF-100,ro:01,,4,,
input,0,int16,-1,ro,,,,
coil,5,,on,rw,pump,,,
coil,6,bool,false,ro,,,,
discrete,7,,1,,,,,
`

// Registers can be listed in a CSV file.
func TestListedRegisters(t *testing.T) {
	d := only(t, "tcp: :0\ndevices: [{csv: list.csv, registers: {more: {holding: 50, type: uint16, initial: 1}}}]", map[string]string{"list.csv": listed})
	for _, step := range []struct{ request, want string }{
		{"0300000001", "0302 0007"},
		{"0600000008", "0600000008"},
		{"0300100001", "0302 FF33"},
		{"0300140002", "0304 0000 3FC0"},
		{"0600140001", "8602"},
		{"0300160001", "0302 BEEF"},
		{"0600160001", "8603"},
		{"03001E0004", "0308 4D46 2D31 3030 0000"},
		{"06001E0001", "8601"},
		{"0400000001", "0402 FFFF"},
		{"0100050002", "0101 01"},
		{"0500050000", "0500050000"},
		{"050006FF00", "8502"},
		{"0200070001", "0201 01"},
		{"0300320001", "0302 0001"},
		{"0300010001", "8302"},
	} {
		if got, want := simulatortest.Ask(t, d, step.request), strings.ReplaceAll(step.want, " ", ""); got != want {
			t.Errorf("%s: %s, want %s", step.request, got, want)
		}
	}
	if v, err := d.Value("temperature"); err != nil || v.Float() != -20.5 {
		t.Errorf("%v, %v", v.Float(), err)
	}
}

func TestListedRegistersRefuse(t *testing.T) {
	const head = "table,address,type,value,access,name\n"
	for text, want := range map[string]string{
		"":                                         "the first line",
		"table,type\n":                             "the column address is missing",
		"table,address,addres\n":                   `no column "addres"`,
		"table,address,table\n":                    "twice",
		head:                                       "there are no registers",
		head + "holding,1,uint16,1\n":              "wrong number of fields",
		head + "holdings,1,uint16,1,,\n":           "line 2: expected coil, discrete, input or holding",
		head + "holding,1,uint61,1,,\n":            "line 2: ",
		head + "holding,70000,uint16,1,,\n":        "from 0 to 65535",
		head + "#\n\nholding,x,uint16,1,,\n":       "line 4: ",
		head + "holding,1,uint16,70000,,\n":        "does not fit",
		head + "holding,1,uint16,hot,,\n":          "line 2: ",
		head + "holding,1,uint16,1,wo,\n":          "expected rw, ro",
		head + "input,1,uint16,1,rw,\n":            "nothing of the table input can be written",
		head + "input,1,int16,1,,\ninput,1,,2,,\n": "line 3: ",
		head + "holding,1,string,x,,\n":            "count",
	} {
		_, err := simulatortest.Configured(t, "tcp: :0\ndevices: [{csv: list.csv}]", map[string]string{"list.csv": text})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "list.csv") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q:\n got %v\nwant %q", text, err, want)
		}
	}
}

// Of a file that is far too large nothing is read, and no message repeats what it has.
func TestLargeFiles(t *testing.T) {
	for text, want := range map[string]string{
		"devices: [{csv: large}]\ntcp: :0": "at most 4 MiB",
		"devices: [{csv: wide}]\ntcp: :0":  `there is no column "xxxxx`,
		"devices: [{registers: {x: {input: 0, type: int16, replay: {file: wide, column: a, every: 1s}}}}]\ntcp: :0": `no column "a": the first line has xxxxx`,
		"devices: [{profile: xy-md02}]\ntcp: :0\ncontrol: :0\ncontrol_token_file: large":                            "more than 4096 bytes",
		"profiles: .\ndevices: [{profile: large}]\ntcp: :0":                                                         "more than 1 MiB",
	} {
		_, err := simulatortest.Configured(t, text, map[string]string{
			"large": strings.Repeat("x", 5<<20), "large.yaml": strings.Repeat("x", 5<<20), "wide": strings.Repeat("x", 3<<20) + ",y\n1,2\n",
		})
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 400 {
			t.Errorf("%q:\n got %.400v\nwant %q", text, err, want)
		}
	}
	file := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(file, []byte(strings.Repeat("x", 5<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(file, configs.Files); err == nil || !strings.Contains(err.Error(), "more than 1 MiB") {
		t.Errorf("a large configuration: %.400v", err)
	}
}
