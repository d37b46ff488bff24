package config

import (
	"net"
	"net/url"
	"strings"
	"time"
	"unicode"

	"modferry/configs/strictyaml"
	"modferry/gateway/message"
)

// scheme is how a broker is reached; the aliases are those of other programs.
type scheme struct {
	name, port string
	tls, web   bool
}

var schemes = map[string]scheme{
	"mqtt":  {name: "mqtt", port: "1883"},
	"tcp":   {name: "mqtt", port: "1883"},
	"mqtts": {name: "mqtts", port: "8883", tls: true},
	"ssl":   {name: "mqtts", port: "8883", tls: true},
	"tls":   {name: "mqtts", port: "8883", tls: true},
	"ws":    {name: "ws", port: "80", web: true},
	"wss":   {name: "wss", port: "443", tls: true, web: true},
}

func (d *decoder) mqtt(n strictyaml.Node, gateway string) MQTT {
	m := n.Map()
	defer m.Done()
	u, secure := brokerURL(m.Get("url"))
	c := MQTT{URL: u, ClientID: clientID(m.Get("client_id"), gateway), Username: username(m.Get("username"))}
	c.Version = m.Get("version").OneOf(MQTT311, MQTT311, MQTT5)
	c.Password, _ = d.password(m)
	c.TLS = d.tls(m.Get("tls"), u == "" || secure)
	c.KeepAlive = m.Get("keepalive").Duration(30*time.Second, time.Second, 65535*time.Second) // [MQTT 3.1.1, 3.1.2.10]
	c.QoS = byte(m.Get("qos").Int(1, 0, 2))
	c.ReplyTopics = replyTopics(m.Get("reply_topics"), c.Version)
	if c.Username == "" && c.Password.Reveal() != "" { // [MQTT-3.1.2-22]
		m.Node().Problemf("a password needs a username: add username")
	}
	return c
}

func clientID(n strictyaml.Node, gateway string) string {
	const most = 256
	id, ok := n.Text()
	if !ok {
		return "modferry-" + gateway
	}
	if len(id) > most || !message.ValidString(id) || strings.ContainsFunc(id, unicode.IsSpace) {
		n.Problemf("a client id has at most %d bytes and no white space or control characters, got %s", most, n.Shown())
	}
	return id
}

// username must be a string of MQTT's; it is not shown, for people mistake the lines.
func username(n strictyaml.Node) string {
	const most = 65535 // [MQTT 3.1.1, 1.5.3]
	name := n.String("")
	if len(name) > most || !message.ValidString(name) {
		n.Problemf("a user name has at most %d bytes and no control characters", most)
	}
	return name
}

// replyTopics reads filters of topics that the gateway may publish to.
func replyTopics(n strictyaml.Node, version string) []string {
	topics := filters(n, func(item strictyaml.Node, f string) {
		if strings.HasPrefix(f, "$") || strings.ContainsFunc(f, unicode.IsSpace) {
			item.Problemf("no reply goes to %s: a response topic has no white space, and no $ in front", item.Shown())
		}
	})
	if n.Present() && version != MQTT5 {
		n.Warnf("only requests of MQTT 5 name a response topic, so it has no effect: remove it, or write version: \"5\"")
	}
	return topics
}

// brokerURL reads the URL and completes it with port and path. It is never shown:
// people put passwords into URLs.
func brokerURL(n strictyaml.Node) (address string, secure bool) {
	const example = "write it as in mqtts://broker.example:8883"
	text, ok := n.Text()
	if !ok {
		return "", false
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" {
		n.Problemf("it is no URL of a broker: %s", example)
		return "", false
	}
	s, known := schemes[strings.ToLower(u.Scheme)]
	switch {
	case !known:
		n.Problemf("the URL must begin with mqtt://, mqtts://, ws:// or wss://: %s", example)
	case u.User != nil:
		n.Problemf("user name and password do not belong into the URL: use the keys username and password_file")
	case u.Hostname() == "" || strings.ContainsAny(u.Hostname(), " \t\n"):
		n.Problemf("the URL has no host: %s", example)
	case u.RawQuery != "" || u.Fragment != "":
		n.Problemf("the URL ends after host, port and path: remove what begins with ? or #")
	case !s.web && strings.Trim(u.Path, "/") != "":
		n.Problemf("only ws:// and wss:// have a path: remove it")
	case u.Port() != "" && !isPort(u.Port(), 1):
		n.Problemf("the port must be a number from 1 to 65535: %s", example)
	default:
		return s.complete(u), s.tls
	}
	return "", false
}

func (s scheme) complete(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = s.port
	}
	out := url.URL{Scheme: s.name, Host: net.JoinHostPort(u.Hostname(), port)}
	if s.web {
		if out.Path = u.Path; out.Path == "" || out.Path == "/" {
			out.Path = "/mqtt"
		}
	}
	return out.String()
}

func (d *decoder) tls(n strictyaml.Node, secure bool) TLS {
	if !n.Present() {
		return TLS{}
	}
	m := n.Map()
	defer m.Done()
	t := d.tlsFiles(m)
	if m.Node().Present() && !secure {
		n.Problemf("the url is without TLS: begin it with mqtts:// or wss://, or remove tls")
	}
	return t
}

// tlsFiles reads the keys of a mapping that say which certificates are used.
func (d *decoder) tlsFiles(m *strictyaml.Map) TLS {
	t := TLS{ServerName: m.Get("server_name").String("")}
	for _, f := range []struct {
		key  string
		file *string
	}{{"ca", &t.CA}, {"cert", &t.Cert}, {"key", &t.Key}} {
		if k := m.Get(f.key); k.Present() {
			*f.file = d.path(k)
			d.read(k)
		}
	}
	if m.Get("cert").Present() != m.Get("key").Present() {
		m.Node().Problemf("a client certificate needs cert and key: add the other one")
	}
	return t
}

// filters reads MQTT topic filters; check may find more wrong with one.
func filters(n strictyaml.Node, check func(item strictyaml.Node, filter string)) []string {
	var out []string
	for _, item := range n.ListOrOne() {
		f, ok := item.Text()
		if !ok {
			continue
		}
		if !validFilter(f) {
			item.Problemf("%s is no topic filter: + stands alone between slashes, # alone at the end, and there are no control characters", item.Shown())
		} else if check != nil {
			check(item, f)
		}
		out = append(out, f)
	}
	if n.IsList() && len(n.List()) == 0 {
		n.Problemf("the list is empty: write topic filters such as modferry/workshop/#, or remove the key")
	}
	return out
}

// validFilter [MQTT 3.1.1, 4.7.1 and 4.7.3].
func validFilter(f string) bool {
	levels := strings.Split(f, "/")
	for i, l := range levels {
		if strings.ContainsAny(l, "+#") && len(l) > 1 || l == "#" && i < len(levels)-1 {
			return false
		}
	}
	return len(f) <= 65535 && message.ValidString(f) && len(levels) <= message.MaxLevels
}
