package config

import "modferry/configs/strictyaml"

const defaultHTTP = "127.0.0.1:8080"

// HTTP is the console's listener.
type HTTP struct {
	Listen string
	TLS    *ServerTLS        // nil = plain; its CA is always empty
	Users  map[string]Secret // passwords of those who may log in; nil = nobody has to
}

func (d *decoder) http(n strictyaml.Node) *HTTP {
	if !n.Present() {
		return nil
	}
	m := n.Map()
	defer m.Done()
	listen := m.Get("listen")
	h := &HTTP{Listen: listenAddress(listen, defaultHTTP), Users: d.httpUsers(m.Get("users"))}
	h.TLS = d.serverTLS(m.Get("tls"), false)
	switch {
	case d.open && !isLoopback(h.Listen): // MQTT over WebSocket has the broker's users
		d.checkListener(m, listen, h.Listen, "broker", true)
	default:
		d.checkListener(m, listen, h.Listen, "http", len(h.Users) == 0)
	}
	return h
}

func (d *decoder) httpUsers(n strictyaml.Node) map[string]Secret {
	if !n.Present() {
		return nil
	}
	users := map[string]Secret{}
	m := n.Map()
	for _, e := range m.Entries() {
		checkKey(e)
		user := e.Value.Map()
		users[e.Name] = d.userPassword(user)
		user.Done()
	}
	if m.Node().Present() && len(users) == 0 {
		n.Problemf("there is no user, so nobody could log in: add one, or remove users")
	}
	return users
}
