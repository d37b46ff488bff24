package simulator_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/transport"
	"modferry/simulator"
)

// One state behind all faces at once: what is written by one is read by the others.
func TestOneStateBehindAllNetworkFaces(t *testing.T) {
	s := newSimulator(t, simulator.Options{Profile: xymd02(t), Unit: 1})
	files := certificates(t)
	secure := transport.TLSFiles{CA: files.Cert, Cert: files.Cert, Key: files.Key}
	must := func(address net.Addr, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return address.String()
	}
	rtuOverTCP, asciiOverTCP := must(s.ListenStream(":0", modbus.RTU)), must(s.ListenStream(":0", modbus.ASCII))
	lines := map[string]transport.Transporter{
		"tcp":   transport.NewTCP(transport.TCPOptions{Address: must(s.ListenTCP(":0")), Timeout: patience}),
		"udp":   transport.NewTCP(transport.TCPOptions{Address: must(s.ListenUDP(":0")), Network: "udp", Timeout: patience}),
		"tls":   transport.NewTCP(transport.TCPOptions{Address: must(s.ListenTLS(":0", files)), TLS: secure.Config, Timeout: patience}),
		"rtu":   transport.NewStream(transport.StreamOptions{Open: transport.DialTCP(rtuOverTCP, nil), Timeout: patience}),
		"ascii": transport.NewStream(transport.StreamOptions{Framing: modbus.ASCII, Open: transport.DialTCP(asciiOverTCP, nil), Timeout: patience}),
	}
	for _, framing := range []modbus.Framing{modbus.TCP, modbus.RTU, modbus.ASCII} {
		m, err := s.Memory(framing)
		if err != nil {
			t.Fatal(err)
		}
		lines["memory "+framing.String()] = m.Transporter(patience)
	}
	run(t, s)
	value := uint16(0)
	for name, line := range lines {
		defer line.Close()
		value++
		client := modbus.NewClient(line.Framing().Packager(1), line)
		if _, err := client.WriteSingleRegister(0x103, value); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for other, line := range lines {
			got, err := modbus.NewClient(line.Framing().Packager(1), line).ReadHoldingRegisters(0x103, 1)
			if err != nil || modbus.Registers(got)[0] != value {
				t.Fatalf("written by %s, read by %s: % X, %v; want %d", name, other, got, err, value)
			}
		}
	}
}

// certificates makes one certificate that is its own authority.
func certificates(t *testing.T) simulator.ServerTLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, kind string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := file("cert.pem", "CERTIFICATE", cert)
	return simulator.ServerTLS{Cert: c, Key: file("key.pem", "PRIVATE KEY", secret), ClientCA: c}
}

// Who has no certificate is not let in where one is asked for.
func TestTLSAsksForACertificate(t *testing.T) {
	s := newSimulator(t, simulator.Options{Profile: xymd02(t)})
	files := certificates(t)
	address, err := s.ListenTLS(":0", files)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	line := transport.NewTCP(transport.TCPOptions{Address: address.String(), TLS: transport.TLSFiles{CA: files.Cert}.Config, Timeout: patience})
	defer line.Close()
	if _, err := modbus.NewClient(modbus.TCP.Packager(1), line).ReadInputRegisters(1, 1); err == nil {
		t.Error("it answered")
	}
	old, err := tls.Dial("tcp", address.String(), &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10, InsecureSkipVerify: true})
	if err == nil {
		old.Close()
		t.Error("TLS 1.1 is accepted")
	}
}

func TestNetworkFacesRefuse(t *testing.T) {
	s := newSimulator(t, simulator.Options{Profile: xymd02(t)})
	defer s.Close()
	files := certificates(t)
	for want, open := range map[string]func() error{
		"host:port":     func() error { _, err := s.ListenUDP("5020"); return err },
		"write it as":   func() error { _, err := s.ListenStream("5020", modbus.RTU); return err },
		"RTU and ASCII": func() error { _, err := s.ListenStream(":0", modbus.TCP); return err },
		"certificate /no": func() error {
			_, err := s.ListenTLS(":0", simulator.ServerTLS{Cert: "/no", Key: files.Key})
			return err
		},
		"sign clients": func() error {
			_, err := s.ListenTLS(":0", simulator.ServerTLS{Cert: files.Cert, Key: files.Key, ClientCA: "/no"})
			return err
		},
		"must be a PEM file": func() error {
			_, err := s.ListenTLS(":0", simulator.ServerTLS{Cert: files.Cert, Key: files.Key, ClientCA: files.Key})
			return err
		},
	} {
		if err := open(); err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
