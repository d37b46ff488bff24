package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"modferry/configs"
	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/modbus/transport"
	"modferry/simulator"
)

// recorded runs a recording and returns its summary and folder.
func recorded(t *testing.T, args ...string) (s summary, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "copy")
	code, out, errs := modferry(t, append([]string{"simulator", "record", "--json", "--out", dir}, args...)...)
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != exitGood || errs != "" || s.Dir != dir {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, errs)
	}
	return s, dir
}

// served runs what was recorded, at a port of its own, and returns where.
func served(t *testing.T, dir string) (tcp string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "simulator.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "here.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "127.0.0.1:5020", "127.0.0.1:0")), 0o600); err != nil {
		t.Fatal(err)
	}
	p := gatewaytest.Start(t, "simulator", "--json", "-c", file)
	var at simulator.Places
	if err := json.Unmarshal([]byte(p.Line("{")), &at); err != nil {
		t.Fatal(err)
	}
	return at.TCP
}

// said returns a device's reply, as PDU in hex.
func said(t *testing.T, line transport.Transporter, q modbus.PDU) string {
	t.Helper()
	reply, err := line.Send(modbus.AppendTCP(nil, modbus.ADU{Unit: 1, PDU: q}))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("% X", reply[7:])
}

// A device that is recorded and replayed says the same, later.
func TestRecordAndReplay(t *testing.T) {
	file := write(t, "device.yaml", `
devices:
  - unit: 1
    registers:
      ramp: {input: 0, type: uint16, ramp: {from: 0, to: 600, over: 1m, sample: 500ms}}
      mode: {holding: 0x10, type: uint16, initial: 7}
tcp: 127.0.0.1:0
`)
	p := gatewaytest.Start(t, "simulator", "--json", "-c", file)
	var at simulator.Places
	if err := json.Unmarshal([]byte(p.Line("{")), &at); err != nil {
		t.Fatal(err)
	}
	s, dir := recorded(t, "--tcp", at.TCP, "--input", "0-1", "--holding", "0x0F-0x10", "--every", "100ms", "--for", "2s")
	if s.Rows != 20 || s.Moving != 1 || s.Constant != 1 || s.Ended != "completed" || s.GapCount != 0 ||
		fmt.Sprint(s.Holes) != "[{holding 15 15 2} {input 1 1 2}]" {
		t.Errorf("%+v", s)
	}
	csv, err := os.ReadFile(filepath.Join(dir, "values.csv"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^[0-9.]+,([0-9]+)$`).FindAllStringSubmatch(string(csv), -1) {
		seen[m[1]] = true
	}
	line := transport.NewTCP(transport.TCPOptions{Address: served(t, dir), Timeout: patience})
	defer line.Close()
	replayed := map[string]bool{}
	for end := time.Now().Add(patience); len(replayed) < len(seen) && time.Now().Before(end); {
		var high, low int
		if _, err := fmt.Sscanf(said(t, line, modbus.ReadRequest(4, 0, 1)), "04 02 %X %X", &high, &low); err != nil {
			t.Fatal(err)
		}
		replayed[fmt.Sprint(high<<8|low)] = true
	}
	if fmt.Sprint(replayed) != fmt.Sprint(seen) || len(seen) < 4 {
		t.Errorf("recorded was %v, replayed %v", seen, replayed)
	}
	for q, want := range map[string]modbus.PDU{
		"03 02 00 07": modbus.ReadRequest(3, 0x10, 1), "83 02": modbus.ReadRequest(3, 0x0F, 1), "84 02": modbus.ReadRequest(4, 1, 1),
	} {
		if got := said(t, line, want); got != q {
			t.Errorf("% X gets %s, want %s", want.Data, got, q)
		}
	}
}

// Every way to a device records the same constant values.
func TestRecordOverEveryWay(t *testing.T) {
	pty := filepath.Join(t.TempDir(), "ttyMODBUS")
	p := gatewaytest.Start(t, "simulator", "--json", "--tcp", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--rtu-over-tcp", "127.0.0.1:0",
		"--ascii-over-tcp", "127.0.0.1:0", "--pty", pty)
	var at simulator.Places
	if err := json.Unmarshal([]byte(p.Line("{")), &at); err != nil {
		t.Fatal(err)
	}
	for _, way := range [][]string{
		{"--tcp", at.TCP}, {"--udp", at.UDP}, {"--serial", pty}, {"--tcp", at.RTUOverTCP, "--framing", "rtu"}, {"--tcp", at.ASCIIOverTCP, "--framing", "ascii"},
	} {
		t.Run(strings.Join(way[:1], "")+strings.Join(way[2:], ""), func(t *testing.T) {
			s, dir := recorded(t, append(way, "--profile", "xy-md02", "--every", "20ms", "--count", "3")...)
			if s.Rows != 3 || s.Moving+s.Constant != 6 || len(s.Holes) > 0 {
				t.Errorf("%+v", s)
			}
			c, err := simulator.LoadConfig(filepath.Join(dir, "simulator.yaml"), configs.Files)
			if err != nil || c.Devices[0].Unit != 1 {
				t.Error(err)
			}
		})
	}
}

// Through a gateway the same is recorded, on a bus for JSON and on others.
func TestRecordThroughAGateway(t *testing.T) {
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	tcp, pty := sensor(t)
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	gatewayAt(t, app, fmt.Sprintf(`
gateway: shed
data_dir: %q
mqtt: {url: "mqtt://%s"}
buses:
  rs485: {serial: %q, baud: 9600}
  plc: {tcp: %q, payload: hex}
  raw: {tcp: %q, payload: binary}
`, t.TempDir(), broker.Addr, pty, tcp, tcp))
	if code, out, errs := modferry(t, "send", "--broker", broker.URL(), "--gateway", "shed", "--bus", "plc", "010400010002"); code != exitGood {
		t.Errorf("a bus that takes no JSON: exit code %d\n%s%s", code, out, errs)
	}
	for _, bus := range []string{"rs485", "plc", "raw"} {
		s, dir := recorded(t, "--broker", broker.URL(), "--gateway", "shed", "--bus", bus, "--unit", "1", "--timeout", "2s",
			"--input", "0-3", "--holding", "0x101-0x104", "--discrete", "0", "--every", "50ms", "--count", "5")
		if fmt.Sprint(s.Holes) != "[{discrete 0 0 1} {input 0 0 2} {input 3 3 2}]" || s.Rows != 5 || s.Moving+s.Constant != 6 || s.GapCount != 0 {
			t.Errorf("%s: %+v", bus, s)
		}
		line := transport.NewTCP(transport.TCPOptions{Address: served(t, dir), Timeout: patience})
		if got := said(t, line, modbus.ReadRequest(3, 0x101, 4)); got != "03 08 00 01 25 80 00 00 00 00" {
			t.Errorf("%s: the recording says %s", bus, got)
		}
		line.Close()
	}
	code, out, errs := modferry(t, "simulator", "record", "--broker", broker.URL(), "--gateway", "shed", "--bus", "rs485", "--unit", "7",
		"--input", "0", "--out", filepath.Join(t.TempDir(), "copy"), "--timeout", "3s")
	if code != exitFailed || out != "" || !strings.Contains(errs, "no reply of the device") || strings.Count(errs, "\n") != 1 {
		t.Errorf("a unit that is not there: exit code %d\n%s%s", code, out, errs)
	}
}

// While the broker is away there is a gap, and then the recording goes on.
func TestRecordOutlivesTheBroker(t *testing.T) {
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	proxy := gatewaytest.Toxiproxy(t, broker.Addr)
	tcp, _ := sensor(t)
	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	gatewayAt(t, app, fmt.Sprintf("gateway: shed\ndata_dir: %q\nmqtt: {url: \"mqtt://%s\"}\nbuses: {plc: {tcp: %q}}\n", t.TempDir(), broker.Addr, tcp))
	dir := filepath.Join(t.TempDir(), "copy")
	p := gatewaytest.Start(t, "simulator", "record", "--broker", "mqtt://"+proxy.Addr, "--gateway", "shed", "--bus", "plc", "--client", "rec",
		"--profile", "xy-md02", "--every", "20ms", "--timeout", "300ms", "--out", dir, "--json")
	asked := app.Subscribe("modferry/shed/bus/plc/response/rec", 1)
	for range 20 {
		asked.Next(patience)
	}
	proxy.Disable()
	<-time.After(time.Second) // is how long the outage lasts
	proxy.Enable()
	for range 60 { // more than what was on its way when the broker went
		asked.Next(patience)
	}
	p.Signal(os.Interrupt)
	var s summary
	if err := json.Unmarshal([]byte(p.Line("{")), &s); err != nil || s.GapCount < 1 || s.Rows < 30 {
		t.Fatalf("%v, %+v", err, s)
	}
	if g := s.Gaps[0]; g.To-g.From < 0.2 || g.To >= s.Seconds {
		t.Errorf("%+v", s)
	}
	served(t, dir)
}

// Ctrl-C ends a recording, and its files are whole.
func TestRecordInterrupted(t *testing.T) {
	tcp, _ := sensor(t)
	dir := filepath.Join(t.TempDir(), "copy")
	p := gatewaytest.Start(t, "simulator", "record", "--tcp", tcp, "--profile", "xy-md02", "--every", "10ms", "--out", dir, "--json")
	awaitRequests(t, tcp, dir)
	p.Signal(os.Interrupt)
	var s summary
	if err := json.Unmarshal([]byte(p.Line("{")), &s); err != nil || s.Ended != "interrupted" || s.Rows < 1 {
		t.Errorf("%v, %+v", err, s)
	}
	if code := p.Wait(patience); code != exitGood {
		t.Errorf("exit code %d", code)
	}
	served(t, dir)
}

// awaitRequests waits until a recording had time for some rounds: its folder is there,
// and the device answers many requests after that.
func awaitRequests(t *testing.T, tcp, dir string) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		if _, err := os.Stat(dir); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal("no folder was made")
		}
		time.Sleep(time.Millisecond)
	}
	line := transport.NewTCP(transport.TCPOptions{Address: tcp, Timeout: patience})
	defer line.Close()
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		said(t, line, modbus.ReadRequest(4, 1, 1))
	}
}

func TestRecordRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	free := filepath.Join(t.TempDir(), "copy")
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--tcp 127.0.0.1:1 --input 0", exitUsage, "--out DIR is missing"},
		{"--out DIR --input 0", exitUsage, "name one way"},
		{"--out DIR --tcp a:1 --serial b --input 0", exitUsage, "name one way"},
		{"--out DIR --tcp 127.0.0.1:1", exitUsage, "nothing to record"},
		{"--out DIR --tcp 127.0.0.1:1 --input 9-0", exitUsage, "--input 9-0"},
		{"--out DIR --tcp 127.0.0.1:1 --coil 65536", exitUsage, "from 0 to 65535"},
		{"--out DIR --tcp 127.0.0.1:1 --profile toaster", exitUsage, "toaster"},
		{"--out DIR --tcp 127.0.0.1:1 --input 0 --unit 300", exitUsage, "1 to 247"},
		{"--out DIR --tcp 127.0.0.1:1 --input 0 --every 1ms", exitUsage, "--every"},
		{"--out DIR --tcp 127.0.0.1:1 --input 0 --timeout 0s", exitUsage, "--timeout"},
		{"--out DIR --tcp 127.0.0.1:1 --input 0 --count -1", exitUsage, "negative"},
		{"--out DIR --udp 127.0.0.1:1 --framing rtu --input 0", exitUsage, "over UDP"},
		{"--out DIR --tls 127.0.0.1:1 --cert a.pem --input 0", exitUsage, "--key"},
		{"--out DIR --broker mqtt://127.0.0.1:1 --input 0", exitUsage, "--gateway"},
		{"--out FULL --tcp 127.0.0.1:1 --input 0", exitUsage, "--force"},
		{"--out DIR --tcp 127.0.0.1:1 --input 0", exitFailed, "127.0.0.1:1"},
		{"--out DIR --serial /nowhere/tty --input 0", exitFailed, "/nowhere/tty"},
		{"--out DIR --tls 127.0.0.1:1 --ca /nowhere.pem --input 0", exitFailed, "127.0.0.1:1"},
		{"--out DIR --nonsense", exitUsage, "simulator record --help"},
	} {
		args := strings.Fields(strings.NewReplacer("DIR", free, "FULL", full).Replace(c.args))
		if c.args[:5] == "--tcp" {
			args = strings.Fields(c.args)
		}
		code, out, errs := modferry(t, append([]string{"simulator", "record"}, args...)...)
		if code != c.code || out != "" || !strings.Contains(errs, c.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit code %d\n%s%s", c.args, code, out, errs)
		}
		if _, err := os.Stat(free); err == nil {
			t.Errorf("%s: a folder was left behind", c.args)
		}
	}
}

func FuzzParseSpan(f *testing.F) {
	for _, text := range []string{"0", "0-9", "0x100-0x105", "65535", "9-0", "070", " 1 - 2 "} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s, ok := parseSpan(text); ok && (s.Quantity < 1 || s.End() > modbus.AddressSpace) {
			t.Errorf("%q became %+v", text, s)
		}
	})
}

// The recording that the page on the virtual device begins with works, and its
// summary has the keys and the values that the page shows.
func TestDocsRecording(t *testing.T) {
	page, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "## Recording a real device\n")
	if !found {
		t.Fatal("the section is not there")
	}
	tcp, _ := sensor(t)
	lines := strings.Split(blocks(section, "sh")[0], "\n")
	dir := filepath.Join(t.TempDir(), "copy")
	args, ok := commandLine(strings.NewReplacer("192.0.2.7:502", tcp, "--every 1s --for 10m", "--every 20ms --count 5", "--out copy", "--out "+dir).Replace(lines[0]))
	if !ok {
		t.Fatal(lines[0])
	}
	code, out, errs := modferry(t, append(args, "--json")...)
	if code != exitGood || errs != "" || lines[1] != "modferry simulator -c copy/simulator.yaml" {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	served(t, dir)
	var shown, got map[string]any
	if err := json.Unmarshal([]byte(blocks(section, "json")[0]), &shown); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	for key := range shown {
		if _, ok := got[key]; !ok {
			t.Errorf("the summary has no %s", key)
		}
	}
	values := func(m map[string]any) any { return m["moving"].(float64) + m["constant"].(float64) }
	if len(shown) != len(got) || values(shown) != values(got) || fmt.Sprint(got["holes"]) != fmt.Sprint(shown["holes"]) {
		t.Errorf("the summary is %s", out)
	}
}
