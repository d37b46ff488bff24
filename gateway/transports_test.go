package gateway_test

import (
	"context"
	"crypto/tls"
	"encoding/asn1"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/modbus/server"
)

// secureServer is a Modbus server over TLS that wants a certificate of its clients.
type secureServer struct {
	address     string
	connections atomic.Int32
	roles       chan string // of the clients, as they connect
}

// serveSecurely listens until the test ends, with a certificate that a file holds, for clients of an authority.
func serveSecurely(t *testing.T, framing modbus.Framing, certificate, key string, clients *authority) *secureServer {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &secureServer{address: plain.Addr().String(), roles: make(chan string, 100)}
	l := tls.NewListener(counted{plain, &s.connections}, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients.pool(),
		VerifyConnection: func(c tls.ConnectionState) error {
			for _, e := range c.PeerCertificates[0].Extensions {
				var role string
				if _, err := asn1.Unmarshal(e.Value, &role); err == nil && e.Id.Equal(roleID) {
					s.roles <- role
				}
			}
			return nil
		},
	})
	serveOn(t, l, framing)
	return s
}

// serveOn serves a device on a listener until the test ends.
func serveOn(t *testing.T, l net.Listener, framing modbus.Framing) {
	t.Helper()
	if framing != modbus.TCP {
		acceptLines(t, l, framing)
		return
	}
	s := server.New(server.Options{Handler: server.HandlerFunc(func(unit byte, p modbus.PDU) (modbus.PDU, bool) {
		return (&device{}).answer(modbus.ADU{Unit: unit, PDU: p})
	})})
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.ServeTCP(ctx, l) }) // ends with the test
	t.Cleanup(func() { cancel(); serving.Wait() })
}

// acceptLines takes each connection for a serial line behind a converter.
func acceptLines(t *testing.T, l net.Listener, framing modbus.Framing) {
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serveLine(t, c, framing)
		}
	})
	t.Cleanup(func() { l.Close(); accepting.Wait() })
}

// counted counts the connections of a listener.
type counted struct {
	net.Listener
	connections *atomic.Int32
}

func (l counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.connections.Add(1)
	}
	return c, err
}

const readOne = `{"id":1,"unit":1,"function":4,"address":7,"quantity":1}`

// readsWell asks a bus that is named b for a register.
func readsWell(t *testing.T, app *gatewaytest.Peer, in *gatewaytest.Inbox) {
	t.Helper()
	_, reply := ask(t, app, in, readOne)
	includes(t, reply, `{"ok":true,"values":[7]}`)
}

func TestTLSWithMutualAuthentication(t *testing.T) {
	dir := t.TempDir()
	ours := newAuthority(t)
	server, serverKey, client, clientKey := filepath.Join(dir, "s.pem"), filepath.Join(dir, "s.key"), filepath.Join(dir, "c.pem"), filepath.Join(dir, "c.key")
	soon := time.Now().Add(time.Hour)
	ours.sign(t, soon, server, serverKey)
	ours.sign(t, soon, client, clientKey)
	for framing, name := range map[modbus.Framing]string{modbus.TCP: "mbap", modbus.RTU: "rtu", modbus.ASCII: "ascii"} {
		t.Run(name, func(t *testing.T) {
			s := serveSecurely(t, framing, server, serverKey, ours)
			app := start(t, fmt.Sprintf("gateway: w\nbuses:\n  b: {tls: %q, framing: %s, ca: %s, cert: %s, key: %s}\n", s.address, name, ours.file, client, clientKey))
			in := app.Subscribe("modferry/w/bus/b/+/me", 2)
			for range 3 {
				readsWell(t, app, in)
			}
			if n := s.connections.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
			select {
			case role := <-s.roles:
				if role != "Operator" {
					t.Errorf("the server saw the role %q", role)
				}
			default:
				t.Error("the server saw no role")
			}
		})
	}
}

// Everything that TLS can refuse says what it was and what to do, and nothing is sent.
func TestTLSRefusals(t *testing.T) {
	dir := t.TempDir()
	ours, others := newAuthority(t), newAuthority(t)
	file := func(name string) (certificate, key string) {
		return filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	}
	sign := func(a *authority, name string, until time.Duration) {
		certificate, key := file(name)
		a.sign(t, time.Now().Add(until), certificate, key)
	}
	sign(ours, "good", time.Hour)
	sign(ours, "expired", -time.Hour)
	sign(others, "foreign", time.Hour)
	silentServer := newDevice(t).addr // speaks Modbus TCP, not TLS

	for name, c := range map[string]struct{ server, client, ca, rest, says string }{
		"expired server":     {"expired", "good", ours.file, "", "renew the server's certificate"},
		"another CA":         {"good", "good", others.file, "", "set ca to a file with the certificate that signed the server's"},
		"the system's CAs":   {"good", "good", "", "", "set ca to a file"},
		"another name":       {"good", "good", ours.file, "server_name: other.example", "set server_name to a name that the server's certificate has"},
		"expired client":     {"good", "expired", ours.file, "", "the server refused this client, check its cert and key"},
		"foreign client":     {"good", "foreign", ours.file, "", "the server refused this client"},
		"no client":          {"good", "", ours.file, "", "the server refused this client"},
		"a plain TCP server": {"", "good", ours.file, "", "check that it speaks TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			address := silentServer
			if c.server != "" {
				certificate, key := file(c.server)
				address = serveSecurely(t, modbus.TCP, certificate, key, ours).address
			}
			keys := []string{fmt.Sprintf("tls: %q", address)}
			if c.ca != "" {
				keys = append(keys, "ca: "+c.ca)
			}
			if c.client != "" {
				certificate, key := file(c.client)
				keys = append(keys, "cert: "+certificate, "key: "+key)
			}
			if c.rest != "" {
				keys = append(keys, c.rest)
			}
			app := start(t, "gateway: w\nbuses:\n  b: {"+strings.Join(keys, ", ")+"}\n")
			in := app.Subscribe("modferry/w/bus/b/+/me", 2)
			_, reply := ask(t, app, in, readOne)
			includes(t, reply, `{"ok":false,"error":{"code":"unavailable","exception":10}}`)
			if !strings.Contains(reply, c.says) || !strings.Contains(reply, address) {
				t.Errorf("%s does not say %q and %s", reply, c.says, address)
			}
		})
	}
}

// A client certificate that is renewed on disk is used with the next connection.
func TestTLSCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	ours := newAuthority(t)
	server, serverKey, client, clientKey := filepath.Join(dir, "s.pem"), filepath.Join(dir, "s.key"), filepath.Join(dir, "c.pem"), filepath.Join(dir, "c.key")
	ours.sign(t, time.Now().Add(time.Hour), server, serverKey)
	ours.sign(t, time.Now().Add(-time.Hour), client, clientKey)
	s := serveSecurely(t, modbus.TCP, server, serverKey, ours)
	app := start(t, fmt.Sprintf("gateway: w\nbuses:\n  b: {tls: %q, ca: %s, cert: %s, key: %s}\n", s.address, ours.file, client, clientKey))
	in := app.Subscribe("modferry/w/bus/b/+/me", 2)
	_, reply := ask(t, app, in, readOne)
	includes(t, reply, `{"ok":false}`)

	ours.sign(t, time.Now().Add(time.Hour), client, clientKey)
	for id, until := 2, time.Now().Add(patience); ; id++ {
		_, reply := ask(t, app, in, strings.Replace(readOne, `"id":1`, fmt.Sprintf(`"id":%d`, id), 1))
		if strings.Contains(reply, `"ok":true`) {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("the renewed certificate is not used: %s", reply)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestUDP(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &device{}
	var serving sync.WaitGroup
	serving.Go(func() {
		buf := make([]byte, modbus.MaxTCP)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			q, err := modbus.ParseTCP(buf[:n])
			if err != nil {
				continue
			}
			if reply, ok := d.answer(q); ok {
				q.PDU = reply
				_, _ = conn.WriteTo(modbus.AppendTCP(nil, q), from)
			}
		}
	})
	t.Cleanup(func() { conn.Close(); serving.Wait() })
	app := start(t, fmt.Sprintf("gateway: w\nbuses:\n  b: {udp: %q, in_flight: 4, timeout: 200ms, allow: [{}]}\n", conn.LocalAddr()))
	in := app.Subscribe("modferry/w/bus/b/+/me", 2)
	readsWell(t, app, in)
	for request, want := range map[string]string{
		`{"id":2,"unit":1,"function":6,"address":1,"values":[5]}`:   `{"ok":true,"outcome":"done"}`,
		`{"id":3,"unit":9,"function":6,"address":1,"values":[5]}`:   `{"ok":false,"error":{"code":"timeout","exception":11},"outcome":"unknown"}`,
		`{"id":4,"unit":8,"function":4,"address":1,"quantity":1}`:   `{"ok":false,"error":{"code":"exception","exception":2}}`,
		`{"id":5,"unit":255,"function":4,"address":1,"quantity":1}`: `{"ok":true,"values":[1]}`,
	} {
		_, reply := ask(t, app, in, request)
		includes(t, reply, want)
	}
}
