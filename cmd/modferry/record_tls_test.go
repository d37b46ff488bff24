package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/simulator"
)

// ownAuthority makes a certificate that is its own authority, and its key.
func ownAuthority(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	public, err := x509.CreateCertificate(rand.Reader, about, about, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return write(t, "cert.pem", block("CERTIFICATE", public)), write(t, "key.pem", block("PRIVATE KEY", secret))
}

// A server that asks for a certificate is recorded, and asked, with one only.
func TestRecordAndSendOverTLS(t *testing.T) {
	cert, key := ownAuthority(t)
	file := write(t, "device.yaml", fmt.Sprintf("devices: [{profile: xy-md02}]\ntls: {listen: 127.0.0.1:0, cert: %q, key: %q, client_ca: %q}\n", cert, key, cert))
	p := gatewaytest.Start(t, "simulator", "--json", "-c", file)
	var at simulator.Places
	if err := json.Unmarshal([]byte(p.Line("{")), &at); err != nil {
		t.Fatal(err)
	}
	way := []string{"--tls", at.TLS, "--ca", cert, "--cert", cert, "--key", key}
	if s, _ := recorded(t, append(way, "--profile", "xy-md02", "--count", "2", "--every", "20ms")...); s.Rows != 2 || s.Moving+s.Constant != 6 {
		t.Errorf("%+v", s)
	}
	if code, out, errs := modferry(t, append([]string{"send", "010400010002"}, way...)...); code != exitGood {
		t.Errorf("send: exit code %d\n%s%s", code, out, errs)
	}
	code, _, errs := modferry(t, append([]string{"simulator", "record", "--input", "1", "--out", filepath.Join(t.TempDir(), "copy")}, way[:4]...)...)
	if code != exitFailed || !strings.Contains(errs, "refused this client") {
		t.Errorf("without a certificate: exit code %d\n%s", code, errs)
	}
}
