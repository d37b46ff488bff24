package mqtt

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestMistakesInTheFilesAreSaidAtTheStart: each names key and file.
func TestMistakesInTheFilesAreSaidAtTheStart(t *testing.T) {
	a := newAuthority(t, "test authority")
	good, other := a.sign("client", nil), a.sign("other", nil)
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, content)
		return path
	}
	cert, err := os.ReadFile(good.cert)
	if err != nil {
		t.Fatal(err)
	}
	half := file("half.pem", cert[:len(cert)/2])
	holed := file("holed.pem", append(bytes.Clone(cert[:len(cert)/2]), append([]byte("\n"), cert...)...))
	damaged := file("damaged.pem", encode("CERTIFICATE", []byte("no certificate")))
	empty := file("empty.pem", nil)
	der := file("cert.der", a.certificate.Raw)
	encrypted := file("encrypted.pem", encode("ENCRYPTED PRIVATE KEY", []byte("x")))
	older := file("older.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "x"}}))
	absent := filepath.Join(dir, "absent.pem")
	for name, c := range map[string]struct{ ca, cert, key, want string }{
		"no CA file":         {absent, "", "", "cannot read " + absent + " (mqtt.tls.ca): no such file"},
		"a folder":           {dir, "", "", "cannot read " + dir + " (mqtt.tls.ca): is a directory"},
		"half a CA":          {half, "", "", half + " (mqtt.tls.ca): it ends in the middle"},
		"half, then whole":   {holed, "", "", holed + " (mqtt.tls.ca): it ends in the middle"},
		"a damaged CA":       {damaged, "", "", damaged + " (mqtt.tls.ca): certificate 1 of it is damaged"},
		"an empty CA":        {empty, "", "", empty + " (mqtt.tls.ca): there is no certificate in it: it must be a PEM file"},
		"a CA in DER":        {der, "", "", der + " (mqtt.tls.ca): there is no certificate in it: it must be a PEM file"},
		"a key as CA":        {good.key, "", "", good.key + " (mqtt.tls.ca): there is no certificate in it, but private key"},
		"cert without key":   {"", good.cert, "", "set the other one too"},
		"key without cert":   {"", "", good.key, "set the other one too"},
		"no certificate":     {"", absent, good.key, absent + " (mqtt.tls.cert): no such file"},
		"half a certificate": {"", half, good.key, half + " (mqtt.tls.cert): it ends in the middle"},
		"no key":             {"", good.cert, absent, absent + " (mqtt.tls.key): no such file"},
		"an empty key":       {"", good.cert, empty, empty + " (mqtt.tls.key): there is no private key in it"},
		"exchanged":          {"", good.key, good.cert, good.key + " (mqtt.tls.cert): there is no certificate in it, but private key"},
		"another's key":      {"", good.cert, other.key, "the key in " + other.key + " (mqtt.tls.key) is not that of the certificate in " + good.cert},
		"an encrypted key":   {"", good.cert, encrypted, encrypted + " (mqtt.tls.key): the key is encrypted"},
		"encrypted, older":   {"", good.cert, older, older + " (mqtt.tls.key): the key is encrypted"},
		"a damaged pair":     {"", damaged, good.key, "cannot use " + damaged + " and " + good.key},
	} {
		t.Run(name, func(t *testing.T) {
			secure, err := TLS(c.ca, c.cert, c.key, "")
			if err == nil || secure != nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q, want one line with %q", err, c.want)
			}
		})
	}
}

func TestAClientCertificateThatIsNotValidIsNotUsed(t *testing.T) {
	a := newAuthority(t, "test authority")
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		want   string
	}{
		"expired": {expired, "expired on " + time.Now().Add(-24*time.Hour).UTC().Format("2006-01-02")},
		"early":   {early, "check the clock of this machine"},
	} {
		t.Run(name, func(t *testing.T) {
			own := a.sign("client", c.change)
			secure, err := TLS(a.file, own.cert, own.key, "")
			if err != nil {
				t.Fatalf("a matter of each connection, not of the start: %v", err)
			}
			_, err = dialWithin(testPatience, "mqtts://127.0.0.1:1", secure)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), own.cert+" (mqtt.tls.cert)") {
				t.Errorf("%v, want %q", err, c.want)
			}
			a.signInto(own, "client", nil)
			if config, err := secure(); config == nil || err != nil {
				t.Errorf("after it was renewed: %v", err)
			}
		})
	}
}

// TestRenewedFilesAreUsedAtTheNextConnect: the broker tells by the name which one it got.
func TestRenewedFilesAreUsedAtTheNextConnect(t *testing.T) {
	a, next := newAuthority(t, "test authority"), newAuthority(t, "next authority")
	pool := a.pool()
	pool.AddCert(next.certificate)
	got := make(chan string, 1)
	server := &tls.Config{
		Certificates: []tls.Certificate{a.sign("broker", nil).load(t)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		VerifyConnection: func(s tls.ConnectionState) error { got <- s.PeerCertificates[0].Subject.CommonName; return nil },
	}
	var now atomic.Pointer[tls.Config]
	now.Store(server)
	config := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return now.Load(), nil }}
	address := "mqtts://" + serveTLS(t, config)
	own := a.sign("first", nil)
	secure, err := TLS(a.file, own.cert, own.key, "")
	if err != nil {
		t.Fatal(err)
	}
	connect := func() error {
		w, err := dialWithin(testPatience, address, secure)
		if err != nil {
			return err
		}
		defer w.Close()
		return w.warning
	}
	for _, name := range []string{"first", "second", "third"} {
		a.signInto(own, name, nil)
		if err := connect(); err != nil {
			t.Fatal(err)
		}
		if used := <-got; used != name {
			t.Errorf("the broker got the certificate %s, want %s", used, name)
		}
	}

	whole, err := os.ReadFile(own.cert)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, own.cert, whole[:len(whole)/2])
	if warning := connect(); warning == nil || !strings.Contains(warning.Error(), own.cert+" (mqtt.tls.cert): it ends in the middle") {
		t.Errorf("with half a file: %v", warning)
	}
	if used := <-got; used != "third" {
		t.Errorf("with half a file the broker got the certificate %s", used)
	}
	writeFile(t, own.cert, whole)
	if err := connect(); err != nil {
		t.Error(err)
	}
	<-got

	server = server.Clone()
	server.Certificates = []tls.Certificate{next.sign("broker", nil).load(t)}
	now.Store(server)
	if err := connect(); err == nil || !strings.Contains(err.Error(), "set mqtt.tls.ca") {
		t.Errorf("the broker has another authority: %v", err)
	}
	fresh, err := os.ReadFile(next.file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, a.file, fresh)
	if err := connect(); err != nil {
		t.Errorf("and ca has it: %v", err)
	}
	<-got
}

func FuzzBlocks(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n"))
	f.Add([]byte("-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"))
	f.Add([]byte("\x30\x82"))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, kind := range []string{"CERTIFICATE", "PRIVATE KEY"} {
			got, err := blocks(content, kind)
			if (err == nil) != (len(got) > 0) {
				t.Fatalf("%d blocks, %v", len(got), err)
			}
			if err == nil { // what follows must be found too
				again, err := blocks(append(append(bytes.Clone(content), '\n'), encode(kind, []byte("x"))...), kind)
				if err != nil || len(again) != len(got)+1 {
					t.Fatalf("%d blocks and one more are %d, %v", len(got), len(again), err)
				}
			}
		}
		if pool, err := authorities(content); (pool == nil) == (err == nil) {
			t.Fatal(pool, err)
		}
	})
}
