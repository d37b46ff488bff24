package config

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"modferry/configs/strictyaml"
)

const (
	soon = 7 * 24 * time.Hour // before the end of a certificate

	defaultBroker = "127.0.0.1:1883"

	// ownUser is the name under which the gateway itself is known at its embedded broker.
	ownUser = "modferry-gateway"
)

func (d *decoder) broker(n strictyaml.Node) *Broker {
	if !n.Present() {
		return nil
	}
	m := n.Map()
	defer m.Done()
	listen := m.Get("mqtt")
	b := &Broker{MQTT: listenAddress(listen, defaultBroker), Users: d.brokerUsers(m.Get("users"))}
	b.TLS = d.serverTLS(m.Get("tls"), true)
	d.open = len(b.Users) == 0
	d.checkListener(m, listen, b.MQTT, "broker", d.open)
	return b
}

func (d *decoder) brokerUsers(n strictyaml.Node) map[string]User {
	if !n.Present() {
		return nil
	}
	users := map[string]User{}
	m := n.Map()
	for _, e := range m.Entries() {
		checkKey(e)
		if e.Name == ownUser {
			e.Key.Problemf("the name belongs to the gateway itself: choose another")
		}
		users[e.Name] = d.user(e.Value)
	}
	if m.Node().Present() && len(users) == 0 {
		n.Problemf("there is no user, so nobody could connect: add one, or remove users")
	}
	return users
}

func (d *decoder) user(n strictyaml.Node) User {
	m := n.Map()
	defer m.Done()
	password := d.userPassword(m)
	topics, read := filters(m.Get("topics"), nil), filters(m.Get("read"), nil)
	if !m.Get("topics").Present() && !m.Get("read").Present() {
		topics = []string{d.prefix + "/#"}
	}
	return User{Password: password, Topics: topics, Read: read}
}

func (d *decoder) userPassword(m *strictyaml.Map) Secret {
	password, ok := d.password(m)
	if !ok && m.Node().Present() && !m.Get("password").Present() && !m.Get("password_file").Present() {
		m.Node().Problemf("the user has no password: add password_file, or password: ${NAME}")
	}
	return password
}

// isEmbedded reports whether a URL is that of the embedded broker, which the gateway
// reaches without one: as itself, and with no password.
func (b *Broker) isEmbedded(address string) bool {
	u, err := url.Parse(address)
	if b == nil || err != nil || u.Scheme != "mqtt" && u.Scheme != "mqtts" || !isLoopback(u.Host) {
		return false
	}
	host, port, err := net.SplitHostPort(b.MQTT)
	ip := net.ParseIP(host)
	return err == nil && port == u.Port() && (isLoopback(b.MQTT) || ip != nil && ip.IsUnspecified())
}

// listenAddress reads where to listen; without a host it is this machine alone.
func listenAddress(n strictyaml.Node, def string) string {
	text, ok := n.Text()
	if !ok {
		return def
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || !isPort(port, 0) {
		n.Problemf("expected an address with a port, got %s: write it as in %s", n.Shown(), def)
		return def
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// checkListener: nothing beyond this machine without a password, which TLS hides.
func (d *decoder) checkListener(m *strictyaml.Map, n strictyaml.Node, address, section string, open bool) {
	switch {
	case isLoopback(address):
	case open:
		n.Problemf("a listener beyond 127.0.0.1 needs credentials: add users to %s, or listen on 127.0.0.1", section)
	case !m.Get("tls").Present():
		n.Warnf("passwords cross the network in the clear: add tls with cert and key, or listen on 127.0.0.1")
	}
}

// serverTLS reads the certificate of a listener, and of its clients where they need one.
func (d *decoder) serverTLS(n strictyaml.Node, clients bool) *ServerTLS {
	if !n.Present() {
		return nil
	}
	m := n.Map()
	defer m.Done()
	certNode, keyNode := m.Need("cert"), m.Need("key")
	t := &ServerTLS{Cert: d.path(certNode), Key: d.path(keyNode)}
	cert, certRead := d.read(certNode)
	key, keyRead := d.read(keyNode)
	if certRead && keyRead {
		pair, err := tls.X509KeyPair(cert, key)
		switch {
		case err != nil:
			m.Node().Problemf("cert and key are no pair of PEM files: %s", strings.TrimPrefix(err.Error(), "tls: "))
		case time.Until(pair.Leaf.NotAfter) < soon:
			certNode.Warnf("the certificate ends on %s, and clients refuse it from then on: renew it", pair.Leaf.NotAfter.UTC().Format(time.DateOnly))
		}
	}
	if !clients {
		return t
	}
	ca := m.Get("ca")
	t.CA = d.path(ca)
	if pem, ok := d.read(ca); ok && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		ca.Problemf("there is no certificate in the file %s: it must be a PEM file", ca.Shown())
	}
	return t
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func isPort(s string, min int) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && int(n) >= min
}
