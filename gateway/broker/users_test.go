package broker

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/gateway/gatewaytest"
)

var own = Own{ClientID: "modferry-workshop", Username: "modferry-gateway", Password: "of this process"}

func TestTheGatewaysClientIDIsItsOwn(t *testing.T) {
	for name, users := range map[string]map[string]User{
		"no users": nil, "users": {"ann": {Password: "secret", Topics: []string{"#"}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := run(t, Options{Users: users, Own: own})
			lost := make(chan error, 1)
			gateway := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{
				ID: own.ClientID, User: own.Username, Password: own.Password, Persistent: true, Configure: onLost(lost),
			})
			for _, o := range []gatewaytest.ClientOptions{
				{ID: own.ClientID},
				{ID: own.ClientID, User: own.Username},
				{ID: own.ClientID, User: own.Username, Password: "guessed"},
				{ID: own.ClientID, User: "ann", Password: "secret"},
				{ID: "other", User: own.Username, Password: "guessed"},
			} {
				if _, err := gatewaytest.Connect(t, b.tcp, o); err == nil {
					t.Errorf("%+v was accepted", o)
				}
			}
			box := gateway.Subscribe("any/topic", 2)
			gateway.Publish("any/topic", 2, false, "still here")
			if m := box.Next(soon); string(m.Payload) != "still here" {
				t.Errorf("got %+v", m)
			}
			select {
			case err := <-lost:
				t.Errorf("the gateway was thrown off: %v", err)
			default:
			}
			if users == nil {
				gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{ID: "phone", User: "anybody", Password: "anything"})
				gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{ID: "phone2"})
			}
			// It has a place also when everybody else has come.
			gateway.Close()
			for range maxConnections - b.Stats().Clients {
				p := connectPacket{version: 4, clean: true}
				if users != nil {
					ann, secret := "ann", "secret"
					p.user, p.password = &ann, &secret
				}
				dial(t, b.address).connect(t, p)
			}
			gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{ID: own.ClientID, User: own.Username, Password: own.Password})
		})
	}
	if _, err := New(Options{Own: Own{ClientID: "x"}}); err == nil {
		t.Error("an own client id without a password was accepted")
	}
}

func TestUsersThatChange(t *testing.T) {
	users := map[string]User{
		"ann": {Password: "secret", Topics: []string{"ann/#"}},
		"bob": {Password: "other", Topics: []string{"#"}},
		"eve": {Password: "third", Topics: []string{"#"}},
	}
	b := run(t, Options{Users: users, Own: own})
	lost := map[string]chan error{}
	connect := func(name string) *gatewaytest.Peer {
		lost[name] = make(chan error, 1)
		return gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{User: name, Password: users[name].Password, ID: name, Configure: onLost(lost[name])})
	}
	ann, _, _ := connect("ann"), connect("bob"), connect("eve")
	gateway := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{ID: own.ClientID, User: own.Username, Password: own.Password})
	box := ann.Subscribe("ann/#", 1)

	next := map[string]User{
		"ann": {Password: "secret", Topics: []string{"ann/new"}},
		"bob": {Password: "changed", Topics: []string{"#"}},
	}
	if err := b.SetUsers(map[string]User{"": {}}); err == nil {
		t.Error("a user without a name was accepted")
	}
	if err := b.SetUsers(next); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bob", "eve"} {
		select {
		case <-lost[name]:
		case <-time.After(soon):
			t.Errorf("%s is still connected", name)
		}
	}
	gateway.Publish("ann/old", 1, false, "not hers any more")
	gateway.Publish("ann/new", 1, false, "hers")
	if m := box.Next(soon); m.Topic != "ann/new" {
		t.Errorf("ann got %+v", m)
	}
	if len(lost["ann"]) > 0 {
		t.Error("ann was disconnected")
	}
	for password, want := range map[string]bool{"other": false, "changed": true} {
		if _, err := gatewaytest.Connect(t, b.tcp, gatewaytest.ClientOptions{User: "bob", Password: password}); (err == nil) != want {
			t.Errorf("bob with password %q: %v", password, err)
		}
	}
	if err := b.SetUsers(nil); err != nil {
		t.Fatal(err)
	}
	gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{})
	if len(lost["ann"]) > 0 {
		t.Error("ann was disconnected when users became superfluous")
	}
}

// What waits for a client that is away is not for it when its user lost the topic.
func TestWaitingMessagesOfAUserThatChanges(t *testing.T) {
	users := map[string]User{"ann": {Password: "secret", Topics: []string{"a", "b"}}}
	b := run(t, Options{Users: users, Own: own})
	session := gatewaytest.ClientOptions{User: "ann", Password: "secret", ID: "ann", Persistent: true}
	ann := gatewaytest.Client(t, b.tcp, session)
	ann.Subscribe("a", 1)
	ann.Subscribe("b", 1)
	ann.Close()
	until(t, func() bool { return b.Stats().Clients == 0 })
	gateway := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{ID: own.ClientID, User: own.Username, Password: own.Password})
	gateway.Publish("a", 1, false, "1")
	gateway.Publish("b", 1, false, "2")
	users["ann"] = User{Password: "secret", Topics: []string{"b"}}
	if err := b.SetUsers(users); err != nil {
		t.Fatal(err)
	}
	again := gatewaytest.Client(t, b.tcp, session)
	if m := again.Resumed.Next(soon); m.Topic != "b" {
		t.Errorf("got %+v", m)
	}
}

// certificate makes one for 127.0.0.1, with the number in its name.
func certificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func poolOf(c tls.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	parsed, _ := x509.ParseCertificate(c.Certificate[0])
	pool.AddCert(parsed)
	return pool
}

func TestTLS(t *testing.T) {
	first, second, client := certificate(t, "first"), certificate(t, "second"), certificate(t, "client")
	var current atomic.Pointer[tls.Certificate]
	current.Store(&first)
	b := run(t, Options{Plain: "127.0.0.1:0", TLS: func() (*tls.Config, error) {
		c := current.Load()
		if c == nil {
			return nil, errors.New("no file")
		}
		return &tls.Config{Certificates: []tls.Certificate{*c}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: poolOf(client)}, nil
	}})
	url := "ssl://" + b.address
	connect := func(server tls.Certificate, own ...tls.Certificate) error {
		c, err := gatewaytest.Connect(t, url, gatewaytest.ClientOptions{Configure: func(o *paho.ClientOptions) {
			o.SetTLSConfig(&tls.Config{RootCAs: poolOf(server), Certificates: own})
		}})
		if err != nil {
			return err
		}
		box := c.Subscribe("a", 2)
		large := strings.Repeat("x", 300<<10)
		c.Publish("a", 2, false, large)
		if m := box.Next(soon); string(m.Payload) != large {
			t.Errorf("got %d bytes", len(m.Payload))
		}
		return nil
	}
	if err := connect(first, client); err != nil {
		t.Error(err)
	}
	if err := connect(first); err == nil {
		t.Error("a client without a certificate was accepted")
	}
	if err := connect(second, client); err == nil {
		t.Error("the wrong server was taken")
	}
	current.Store(&second) // the file was replaced
	if err := connect(second, client); err != nil {
		t.Error(err)
	}
	current.Store(nil)
	if err := connect(second, client); err == nil {
		t.Error("connected without a certificate of the server")
	}
	gatewaytest.Client(t, "tcp://"+b.PlainAddr().String(), gatewaytest.ClientOptions{})
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Nobody fills the log from outside.
func TestTheLogStaysShort(t *testing.T) {
	cert := certificate(t, "server")
	var log syncBuffer
	b := run(t, Options{
		Plain: "127.0.0.1:0", Users: map[string]User{"ann": {Password: "secret", Topics: []string{"a"}}}, Logger: logTo(&log),
		TLS: func() (*tls.Config, error) { return &tls.Config{Certificates: []tls.Certificate{cert}}, nil },
	})
	plain := b.PlainAddr().String()
	ann, secret := "ann", "secret"
	for range 100 {
		c := dial(t, b.address)
		_, _ = c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		_ = c.end()
		c = dial(t, plain)
		_, _ = c.Write(connectPacket{version: 4, clean: true}.bytes())
		_ = c.end()
		c = dial(t, plain)
		c.connect(t, connectPacket{version: 4, clean: true, user: &ann, password: &secret})
		_, _ = c.Write(framed(0x30, str("elsewhere")))
		_, _ = c.Write(framed(0x36, str("a"), u16(1)))
		_ = c.end()
	}
	if n := strings.Count(log.String(), "\n"); n > 5*logMost {
		t.Errorf("%d lines for 300 bad connections", n)
	}
	for _, want := range []string{"no TLS", "wrong user name", "may not publish", "sent what it must not", "not shown for a minute"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if strings.Contains(log.String(), secret) {
		t.Error("the log tells a password")
	}
}
