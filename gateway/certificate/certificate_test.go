package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// write replaces the files by a new certificate with this serial number.
func write(t *testing.T, f Files, serial int64) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"gateway.example"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	put(t, f.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	put(t, f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// stamped makes each written file newer than all before it, whatever clock the files have.
var stamped = time.Now().Add(-24 * time.Hour)

func put(t *testing.T, file string, data []byte) {
	t.Helper()
	stamped = stamped.Add(time.Second)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, stamped, stamped); err != nil {
		t.Fatal(err)
	}
}

func serial(t *testing.T, s *Source) int64 {
	t.Helper()
	c, err := s.Config()
	if err != nil {
		t.Fatal(err)
	}
	return c.Certificates[0].Leaf.SerialNumber.Int64()
}

func TestRenewedCertificateIsUsed(t *testing.T) {
	dir := t.TempDir()
	f := Files{Cert: filepath.Join(dir, "c.pem"), Key: filepath.Join(dir, "k.pem")}
	write(t, f, 1)
	var logged bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		s, err := New(f, slog.New(slog.NewTextHandler(&logged, nil)))
		if err != nil {
			t.Fatal(err)
		}
		write(t, f, 2)
		if n := serial(t, s); n != 1 {
			t.Errorf("serial number %d before the files are looked at again", n)
		}
		time.Sleep(lookAgain)
		if n := serial(t, s); n != 2 {
			t.Errorf("serial number %d after a renewal", n)
		}
		put(t, f.Key, []byte("half a k")) // a renewal that is not complete
		for range 3 {
			time.Sleep(lookAgain)
			if n := serial(t, s); n != 2 {
				t.Errorf("serial number %d with a broken key file", n)
			}
		}
		if n := strings.Count(logged.String(), "is not used"); n != 1 {
			t.Errorf("reported %d times:\n%s", n, logged.String())
		}
		write(t, f, 3)
		time.Sleep(lookAgain)
		if n := serial(t, s); n != 3 {
			t.Errorf("serial number %d after the renewal was completed", n)
		}
	})
}

func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	f := Files{Cert: filepath.Join(dir, "c.pem"), Key: filepath.Join(dir, "k.pem")}
	write(t, f, 1)
	f.CA = f.Cert
	s, err := New(f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c, _ := s.Config()
	if c.ClientAuth != tls.RequireAndVerifyClientCert || c.ClientCAs == nil || c.MinVersion != tls.VersionTLS12 {
		t.Errorf("client certificates: %v, from %x on", c.ClientAuth, c.MinVersion)
	}
	f.CA = f.Key
	if _, err := New(f, nil); err == nil || !strings.Contains(err.Error(), "no CA certificate in") {
		t.Errorf("a CA file without certificate: %v", err)
	}
	if _, err := New(Files{Cert: f.Cert, Key: filepath.Join(dir, "none")}, nil); err == nil {
		t.Error("a missing key is no error")
	}
}
