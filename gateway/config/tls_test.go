package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"math/big"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"modferry/configs/strictyaml"
	"modferry/gateway/config"
)

// pair returns a certificate and its key, as PEM.
func pair(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"gateway.example"}, NotAfter: time.Now().Add(30 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func TestListenersWithTLS(t *testing.T) {
	cert, key := pair(t)
	_, other := pair(t)
	o := config.Options{
		ReadFile: func(file string) ([]byte, error) {
			if data, ok := map[string][]byte{"conf/c.pem": cert, "conf/k.pem": key, "conf/other.pem": other}[filepath.ToSlash(file)]; ok {
				return data, nil
			}
			return nil, fs.ErrNotExist
		},
	}
	text := "gateway: w\nbroker: {mqtt: '0.0.0.0:8883', users: {a: {password: x}}, tls: {cert: c.pem, key: k.pem, ca: c.pem}}\n" +
		"http: {listen: '0.0.0.0:443', users: {b: {password: y}}, tls: {cert: c.pem, key: k.pem}}\nbuses: {b: {tcp: h}}\n"
	c, err := config.Parse("conf/g.yaml", []byte(text), o)
	if err != nil || len(c.Warnings) > 0 {
		t.Fatalf("%v %v", err, c)
	}
	certFile, keyFile := filepath.FromSlash("conf/c.pem"), filepath.FromSlash("conf/k.pem")
	if want := (&config.ServerTLS{Cert: certFile, Key: keyFile, CA: certFile}); !reflect.DeepEqual(c.Broker.TLS, want) {
		t.Errorf("broker %+v", c.Broker.TLS)
	}
	if want := (&config.ServerTLS{Cert: certFile, Key: keyFile}); !reflect.DeepEqual(c.HTTP.TLS, want) {
		t.Errorf("http %+v", c.HTTP.TLS)
	}
	for wrong, want := range map[string]string{
		strings.ReplaceAll(text, "key: k.pem", "key: other.pem"):                "private key does not match public key",
		strings.Replace(text, "ca: c.pem", "ca: k.pem", 1):                      `there is no certificate in the file "k.pem"`,
		strings.Replace(text, "ca: c.pem", "ca: none", 1):                       `broker.tls.ca: cannot read the file "none"`,
		strings.Replace(text, "key: k.pem}}\n", "key: k.pem, ca: c.pem}}\n", 1): "http.tls.ca: unknown key",
	} {
		_, err := config.Parse("conf/g.yaml", []byte(wrong), o)
		if problems, ok := err.(strictyaml.Problems); !ok || !strings.Contains(problems.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
