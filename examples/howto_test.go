package examples_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// howto returns the code blocks of a language, which are the same in both pages.
func howto(t *testing.T, language string) string {
	t.Helper()
	var all [2][]string
	for i, page := range []string{"safe-app.md", "safe-app.zh-CN.md"} {
		text, err := os.ReadFile("../docs/howto/" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			all[i] = append(all[i], m[1])
		}
	}
	if len(all[0]) != 1 || !slices.Equal(all[0], all[1]) {
		t.Fatalf("the pages have different %s:\n%q\n%q", language, all[0], all[1])
	}
	return all[0][0]
}

// shed runs the gateway of the how-to, with a virtual device on its line.
func shed(t *testing.T) (mqtt, web string) {
	t.Helper()
	p := gatewaytest.Start(t, "simulator", "--profile", "xy-md02", "--tcp", "127.0.0.1:0", "--json")
	var device struct{ TCP string }
	if err := json.Unmarshal([]byte(p.Line("{")), &device); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	mqtt, web = fmt.Sprintf("127.0.0.1:%d", gatewaytest.FreePort(t)), fmt.Sprintf("127.0.0.1:%d", gatewaytest.FreePort(t))
	config := howto(t, "yaml")
	for from, to := range map[string]string{
		"serial: /dev/ttyUSB0": fmt.Sprintf("tcp: %q", device.TCP), "127.0.0.1:1883": mqtt, "127.0.0.1:8080": web, "gateway: shed\n": "gateway: shed\ndata_dir: " + dir + "\n",
	} {
		changed := strings.Replace(config, from, to, 1)
		if changed == config {
			t.Fatalf("the configuration of the how-to has no %q", from)
		}
		config = changed
	}
	for name, text := range map[string]string{"gateway.yaml": config, "panel.password": "panel's", "phone.password": "phone's", "boss.password": "boss's"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	gatewaytest.Start(t, "gateway", "-c", filepath.Join(dir, "gateway.yaml"))
	return mqtt, web
}

// user connects one of the how-to's users as soon as the broker is there.
func user(t *testing.T, mqtt, name string) *gatewaytest.Peer {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		p, err := gatewaytest.Connect(t, "tcp://"+mqtt, gatewaytest.ClientOptions{User: name, Password: name + "'s"})
		if err == nil {
			return p
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// What the how-to says of its users is so: each may do that, and nothing else.
func TestHowToUsers(t *testing.T) {
	t.Parallel()
	mqtt, web := shed(t)
	panel, phone, boss := user(t, mqtt, "panel"), user(t, mqtt, "phone"), user(t, mqtt, "boss")
	phone.Subscribe("modferry/shed/device/+/+", 1).Await(patience, func(m gatewaytest.Message) bool {
		return m.Topic == "modferry/shed/device/room/temperature" && strings.Contains(string(m.Payload), `"good"`)
	})
	if _, err := gatewaytest.Connect(t, "tcp://"+mqtt, gatewaytest.ClientOptions{}); err == nil {
		t.Error("somebody without a name may connect")
	}
	replies := panel.Subscribe("modferry/shed/bus/rs485/response/panel", 1)
	const request = "modferry/shed/bus/rs485/request/panel"
	for frame, want := range map[string]string{
		"010400010001": "010402", "010601030005": "010601030005", "0106010300C8": "018603", "010601040005": "018602", "011001030001020005": "019001", "020601030005": "028601",
	} {
		panel.Publish(request, 1, false, frame)
		if m := replies.Next(patience); !strings.HasPrefix(string(m.Payload), want) {
			t.Errorf("%s is answered %s, want %s", frame, m.Payload, want)
		}
	}
	audit := boss.Subscribe("modferry/shed/audit", 1)
	results := boss.Subscribe("modferry/shed/device/room/correction/set/result", 1)
	for value, want := range map[string]string{"2.5": `"outcome":"done"`, "21.5": `"outcome":"refused"`} {
		boss.Publish("modferry/shed/device/room/correction/set", 1, false, value)
		if m := results.Next(patience); !strings.Contains(string(m.Payload), want) {
			t.Errorf("the correction %s: %s, want %s", value, m.Payload, want)
		}
	}
	audit.Await(patience, func(m gatewaytest.Message) bool { return strings.Contains(string(m.Payload), "room/correction") })
	for who, topics := range map[*gatewaytest.Peer][]string{
		panel: {"modferry/shed/status", "modferry/shed/bus/rs485/status"}, phone: {"modferry/shed/status"}, boss: {"modferry/shed/status", "modferry/shed/device/room/status"},
	} {
		for _, topic := range topics {
			who.Subscribe(topic, 1).Next(patience)
		}
	}
	for _, who := range []*gatewaytest.Peer{phone, boss} {
		who.Publish(request, 1, false, "010601030007")
	}
	phone.Publish("modferry/shed/device/room/correction/set", 1, false, "1")
	panel.Publish("modferry/shed/device/room/correction/set", 1, false, "1")
	replies.Quiet(100 * time.Millisecond)
	results.Quiet(100 * time.Millisecond)
	for password, status := range map[string]int{"panel's": http.StatusOK, "guess": http.StatusUnauthorized} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+web+"/api/bus/rs485/request", strings.NewReader("010601030005"))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("panel", password)
		got, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode != status {
			t.Errorf("over HTTP with %s: %s", password, got.Status)
		}
	}
}

// The function of the how-to reads after an unknown write, and never writes twice.
func TestHowToUnknown(t *testing.T) {
	t.Parallel()
	node := gatewaytest.Need(t, "node")
	script := howto(t, "js") + `
async function tell (held, outcome, readFails) {
  const asked = []
  const bus = {
    async request (r) {
      asked.push(r.function + ' ' + r.address)
      if (r.function.startsWith('write') && outcome) throw Object.assign(new Error('no reply'), { outcome })
      if (r.function.startsWith('read') && readFails) throw Object.assign(new Error('no reply'), { code: 'timeout' })
      return { values: [held] }
    }
  }
  const said = await setCorrection(bus, 5).catch((error) => 'error ' + error.outcome)
  console.log(said + ': ' + asked.join(', '))
}
tell(5, '').then(() => tell(5, 'unknown')).then(() => tell(0, 'unknown')).then(() => tell(0, 'refused')).then(() => tell(0, 'unknown', true))
`
	out, err := exec.CommandContext(t.Context(), node, "-e", script).CombinedOutput()
	const want = "done: write_single_register 259\n" +
		"done: write_single_register 259, read_holding_registers 259\n" +
		"not done: write_single_register 259, read_holding_registers 259\n" +
		"error refused: write_single_register 259\n" +
		"unknown: write_single_register 259, read_holding_registers 259\n"
	if err != nil || string(out) != want {
		t.Errorf("%v:\n%swant\n%s", err, out, want)
	}
}
