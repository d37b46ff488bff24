package configs_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/gateway/message"
)

// What a user may do, by topic; the gateway "workshop", the apps "ann" and
// "bob", "phone", which only reads, and "boss", who sees the audit.
const (
	bus    = "modferry/workshop/bus/rs485"
	device = "modferry/workshop/device/d"
)

var accessCases = []struct {
	user, topic   string
	write, read   bool
	justSubscribe string // the subscription for it; "" = the topic itself
}{
	{"workshop", bus + "/request", true, true, bus + "/request"},
	{"workshop", bus + "/request/ann", true, true, "modferry/workshop/bus/+/request/+"},
	{"workshop", bus + "/response/ann", true, true, ""},
	{"workshop", bus + "/error/ann", true, true, ""},
	{"workshop", bus + "/status", true, true, ""},
	{"workshop", "modferry/workshop/status", true, true, ""},
	{"workshop", device + "/temperature", true, true, ""},
	{"workshop", device + "/temperature/set", true, true, "modferry/workshop/device/+/+/set"},
	{"workshop", "modferry/workshop/history", true, true, ""},
	{"workshop", "modferry/workshop/audit", true, true, ""},
	{"workshop", "modferry/other/bus/rs485/response/ann", false, false, ""},
	{"workshop", "modferry/other/device/d/temperature", false, true, ""},

	{"ann", bus + "/request/ann", true, false, ""},
	{"ann", "modferry/other/bus/b/request/ann", true, false, ""},
	{"ann", bus + "/request/bob", false, false, ""},
	{"ann", bus + "/request", false, false, ""},
	{"ann", bus + "/request/ann/more", false, false, ""},
	{"ann", bus + "/response/ann", false, true, ""},
	{"ann", bus + "/error/ann", false, true, "modferry/+/bus/+/error/ann"},
	{"ann", bus + "/response/bob", false, false, ""},
	{"ann", bus + "/response/bob", false, false, "modferry/+/bus/+/response/+"},
	{"ann", bus + "/error/bob", false, false, "modferry/workshop/bus/+/error/#"},
	{"ann", bus + "/response", false, false, ""},
	{"ann", bus + "/response/bob", false, false, "#"},
	{"ann", bus + "/request/bob", false, false, "modferry/#"},
	{"ann", bus + "/status", false, true, "modferry/+/bus/+/status"},
	{"ann", "modferry/workshop/status", false, true, ""},
	{"ann", device + "/status", false, true, "modferry/+/device/#"},
	{"ann", device + "/temperature", false, true, "modferry/workshop/device/#"},
	{"ann", device + "/temperature/set", false, true, ""},
	{"ann", "modferry/workshop/audit", false, false, ""},
	{"ann", "modferry/workshop/history", false, true, ""},
	{"ann", "elsewhere", false, false, ""},

	{"phone", bus + "/request/phone", false, false, ""},
	{"phone", "modferry/other/bus/b/request/phone", false, false, ""},
	{"phone", bus + "/status", false, true, ""},
	{"phone", device + "/temperature", false, true, "modferry/+/device/#"},
	{"phone", device + "/temperature/set", false, true, ""},
	{"phone", "modferry/workshop/audit", false, false, ""},
	{"boss", "modferry/workshop/audit", false, true, ""},
	{"boss", "modferry/other/audit", false, false, ""},

	{"bob", bus + "/response/bob", false, true, ""},
	{"bob", bus + "/response/ann", false, false, "modferry/+/bus/+/response/#"},
}

// mosquittoLines are the settings of mosquitto.conf without addresses and files, which a test has of its own.
func mosquittoLines(t *testing.T) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(text(t, "mosquitto.conf", "")) {
		key, _, _ := strings.Cut(line, " ")
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(key, "#") && key != "listener" && !strings.HasSuffix(key, "_file") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) < 5 {
		t.Fatalf("lines of mosquitto.conf: %q", lines)
	}
	return lines
}

// TestMosquittoACL: an app reaches its own topics and no other app's, also by wildcards.
func TestMosquittoACL(t *testing.T) {
	users := map[string]string{"workshop": "a", "ann": "b", "bob": "c", "phone": "e", "boss": "f", "root": "d"}
	m := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{
		Users: users, Lines: mosquittoLines(t),
		ACL: text(t, "mosquitto.acl", "") + "\nuser root\ntopic readwrite #\n", // the test's own eyes and hands
	})
	connect := func(user string) *gatewaytest.Peer {
		return gatewaytest.Client(t, m.URL(), gatewaytest.ClientOptions{User: user, Password: users[user], Version: 4})
	}
	root := connect("root")
	all := root.Subscribe("#", 1)
	const end = "modferry/workshop/status" // a message that anybody may read
	for i, c := range accessCases {
		t.Run(fmt.Sprintf("%d %s %s", i, c.user, c.topic), func(t *testing.T) {
			peer := connect(c.user)
			defer peer.Close()
			peer.Publish(c.topic, 1, false, "from the user")
			root.Publish("end", 1, false, "end")
			came := all.Next(patience)
			if written := came.Topic == c.topic; written != c.write {
				t.Errorf("publishing gets through: %v", written)
			} else if written {
				all.Next(patience) // the end
			}

			filter := subscription(c.justSubscribe, c.topic)
			token := peer.SubscribeMultiple(map[string]byte{filter: 1, end: 1}, nil) // to one place, in order
			if !token.WaitTimeout(patience) || token.Error() != nil {
				t.Fatalf("cannot subscribe: %v", token.Error())
			}
			root.Publish(c.topic, 1, false, "asked")
			root.Publish(end, 1, false, "end")
			all.Next(patience)
			all.Next(patience)
			read := false
			for done := false; !done; {
				m := peer.Resumed.Next(patience)
				read = read || m.Topic == c.topic && string(m.Payload) == "asked"
				done = m.Topic == end && string(m.Payload) == "end"
			}
			if read != c.read {
				t.Errorf("reading by %q: %v", filter, read)
			}
		})
	}
	if _, err := gatewaytest.Connect(t, m.URL(), gatewaytest.ClientOptions{}); err == nil {
		t.Error("a client without a password is let in")
	}
}

func subscription(filter, topic string) string {
	if filter == "" {
		return topic
	}
	return filter
}

// TestMosquittoKeepsMessages: what waits for an app that is away is all there later, as
// it is not with mosquitto's defaults.
func TestMosquittoKeepsMessages(t *testing.T) {
	const messages = 3000
	for name, c := range map[string]struct {
		lines []string
		whole bool
	}{"mosquitto.conf": {mosquittoLines(t), true}, "defaults": {nil, false}} {
		t.Run(name, func(t *testing.T) {
			lines := append([]string{"allow_anonymous true"}, c.lines...)
			lines = slices.DeleteFunc(lines, func(line string) bool { return line == "allow_anonymous false" })
			m := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{Lines: lines, NoDelay: true})
			o := gatewaytest.ClientOptions{ID: "app", Version: 4, Persistent: true}
			away := gatewaytest.Client(t, m.URL(), o)
			away.Subscribe("a", 1)
			away.Close()
			sender := gatewaytest.Client(t, m.URL(), gatewaytest.ClientOptions{Version: 4})
			for range messages {
				sender.Publish("a", 1, false, "x")
			}
			back := gatewaytest.Client(t, m.URL(), o).Resumed
			got := 0
			for waiting := true; waiting; {
				select {
				case <-back.Messages():
					got++
				case <-time.After(300 * time.Millisecond):
					waiting = false
				}
			}
			t.Logf("%d of %d messages came later", got, messages)
			if (got == messages) != c.whole {
				t.Errorf("of %d messages %d came later", messages, got)
			}
		})
	}
}

// emqxRule is a line of an EMQX 5 acl.conf.
type emqxRule struct {
	allow  bool
	user   string // "" = all
	bad    *regexp.Regexp
	action string
	topics []string
}

var emqxLine = regexp.MustCompile(`^\{(allow|deny), (all|\{username, (?:"([^"]*)"|\{re, "([^"]*)"\})\})(?:, (all|publish|subscribe), \[(.*)\])?\}\.$`)

func emqxRules(t *testing.T) []emqxRule {
	t.Helper()
	var rules []emqxRule
	for line := range strings.Lines(text(t, "emqx-acl.conf", "")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "%%") {
			continue
		}
		m := emqxLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not a rule: %s", line)
		}
		r := emqxRule{allow: m[1] == "allow", user: m[3], action: m[5]}
		if m[4] != "" {
			r.bad = regexp.MustCompile(m[4])
		}
		for topic := range strings.SplitSeq(m[6], ", ") {
			r.topics = append(r.topics, strings.Trim(topic, `"`))
		}
		if r.action == "" {
			r.action, r.topics = "all", nil
		}
		rules = append(rules, r)
	}
	return rules
}

// emqxAllows is how EMQX documents it: the first rule that matches decides, and a
// subscription matches a rule that covers its filter.
func emqxAllows(rules []emqxRule, user, action, topic string) bool {
	for _, r := range rules {
		if r.user != "" && r.user != user || r.bad != nil && !r.bad.MatchString(user) || r.action != "all" && r.action != action {
			continue
		}
		if r.topics == nil || slices.ContainsFunc(r.topics, func(filter string) bool {
			return covers(strings.ReplaceAll(filter, "${username}", user), topic)
		}) {
			return r.allow
		}
	}
	return false
}

// covers reports whether all that the second filter matches is matched by the first.
func covers(filter, other string) bool {
	a, b := strings.Split(filter, "/"), strings.Split(other, "/")
	for i, level := range a {
		switch {
		case level == "#":
			return true
		case i >= len(b), b[i] == "#", level != "+" && level != b[i]:
			return false
		}
	}
	return len(a) == len(b)
}

// TestEMQXACL: the rules for EMQX say the same, read as EMQX's manual has it. Where
// mosquitto takes a subscription and delivers nothing, EMQX refuses it.
func TestEMQXACL(t *testing.T) {
	rules := emqxRules(t)
	for _, c := range accessCases {
		if got := emqxAllows(rules, c.user, "publish", c.topic); got != c.write {
			t.Errorf("%s publishes to %s: %v", c.user, c.topic, got)
		}
		filter := subscription(c.justSubscribe, c.topic)
		if !message.Matches(filter, c.topic) {
			t.Fatalf("%s does not match %s", filter, c.topic)
		}
		if got := emqxAllows(rules, c.user, "subscribe", filter); got != c.read {
			t.Errorf("%s subscribes to %s: %v", c.user, filter, got)
		}
	}
	for _, name := range []string{"+", "#", "a/b", ""} {
		if name != "" && (emqxAllows(rules, name, "subscribe", "modferry/w/bus/b/response/"+name) || emqxAllows(rules, name, "publish", "modferry/w/bus/b/request/"+name)) {
			t.Errorf("a user %q is let in", name)
		}
	}
}

// bridge starts a central broker and one beside a gateway, joined by mosquitto-bridge.conf.
func bridge(t *testing.T) (central, site *gatewaytest.Server) {
	t.Helper()
	central = gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{
		NoDelay: true, Persistent: true, Users: map[string]string{"workshop": "secret", "ann": "b", "root": "d"},
		ACL: text(t, "mosquitto.acl", "") + "\nuser root\ntopic readwrite #\n",
	})
	config := strings.Replace(text(t, "mosquitto-bridge.conf", ""), "address central.example:8883\nbridge_cafile /etc/mosquitto/certs/ca.pem", "address "+central.Addr, 1)
	config = strings.Replace(config, "restart_timeout 1 30", "restart_timeout 1 1", 1)
	if !strings.Contains(config, central.Addr) {
		t.Fatal("the bridge has another address than the test knows")
	}
	site = gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true, Persistent: true, Lines: strings.Split(config, "\n")})
	return central, site
}

// TestBridge: what is published at one broker is at the other once, with its QoS and
// its retain flag, and does not come back; what a cut held up follows.
func TestBridge(t *testing.T) {
	central, site := bridge(t)
	here := gatewaytest.Client(t, site.URL(), gatewaytest.ClientOptions{Version: 4})
	there := gatewaytest.Client(t, central.URL(), gatewaytest.ClientOptions{Version: 4, User: "root", Password: "d", Reconnect: true})
	atSite, atCentral := here.Subscribe("modferry/#", 2), there.Subscribe("modferry/#", 2)
	awaitBridge(t, here, atSite, atCentral)

	for qos := byte(0); qos <= 2; qos++ {
		down := []string{bus + "/request", bus + "/request/ann", device + "/temperature/set"}
		up := []string{
			"modferry/workshop/status", bus + "/status", bus + "/response", bus + "/response/ann", bus + "/error", bus + "/error/ann",
			"modferry/workshop/device/d", device + "/temperature", device + "/status", device + "/temperature/set/result",
			"modferry/workshop/history", "modferry/workshop/audit",
		}
		for _, topic := range down {
			cross(t, there, atCentral, atSite, topic, qos)
		}
		for _, topic := range up {
			cross(t, here, atSite, atCentral, topic, qos)
		}
	}
	atSite.Quiet(200 * time.Millisecond) // nothing came back, or twice
	atCentral.Quiet(0)

	here.Publish(device+"/humidity", 1, true, "55")
	atCentral.Next(patience)
	late := gatewaytest.Client(t, central.URL(), gatewaytest.ClientOptions{Version: 4, User: "ann", Password: "b"})
	if m := late.Subscribe("modferry/+/device/#", 1).Next(patience); !m.Retained || string(m.Payload) != "55" {
		t.Errorf("later at the central broker: %+v", m)
	}

	central.Kill()
	here.Publish(device+"/humidity", 1, true, "56")
	here.Publish(bus+"/response/ann", 1, false, "held up")
	central.Restart()
	var came []string
	for len(came) < 2 {
		m := atCentral.Await(2*patience, func(m gatewaytest.Message) bool { return !m.Retained })
		came = append(came, string(m.Payload))
	}
	if slices.Sort(came); !slices.Equal(came, []string{"56", "held up"}) {
		t.Errorf("after the cut came %q", came)
	}
}

// awaitBridge waits until a message crosses.
func awaitBridge(t *testing.T, from *gatewaytest.Peer, seen, far *gatewaytest.Inbox) {
	t.Helper()
	for end := time.Now().Add(2 * patience); time.Now().Before(end); {
		from.Publish("modferry/workshop/audit", 0, false, "try")
		seen.Next(patience)
		select {
		case <-far.Messages():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("the bridge does not come up")
}

// cross publishes and expects it once on both sides.
func cross(t *testing.T, from *gatewaytest.Peer, near, far *gatewaytest.Inbox, topic string, qos byte) {
	t.Helper()
	payload := fmt.Sprintf("QoS %d", qos)
	from.Publish(topic, qos, false, payload)
	for side, box := range map[string]*gatewaytest.Inbox{"its own": near, "the other": far} {
		if m := box.Next(patience); m.Topic != topic || string(m.Payload) != payload || m.QoS != qos || m.Retained {
			t.Errorf("%s, QoS %d: at %s broker came %+v", topic, qos, side, m)
		}
	}
}
