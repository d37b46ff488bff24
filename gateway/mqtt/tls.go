package mqtt

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"modferry/configs/plainfile"
)

// credentials are the files of mqtt.tls.
type credentials struct {
	ca, cert, key, serverName string

	mu   sync.Mutex
	last *tls.Config // of the last time that all files were good
}

// newCredentials reads the files once, so that a mistake is seen at the start. Whether
// the certificates are valid at present is a matter of each connection: the clock of
// the machine may not be set yet.
func newCredentials(ca, cert, key, serverName string) (*credentials, error) {
	if (cert == "") != (key == "") {
		return nil, errors.New("a client certificate needs mqtt.tls.cert and mqtt.tls.key: set the other one too")
	}
	c := &credentials{ca: ca, cert: cert, key: key, serverName: serverName}
	var err error
	c.last, err = c.read()
	return c, err
}

// config is the configuration of one connection. If the files are not good, because
// they are just being written or were replaced by wrong ones, it returns the one of the
// last time that they were, and the error: a running gateway should not lose its
// broker over them.
func (c *credentials) config() (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh, err := c.read()
	if err != nil {
		err = fmt.Errorf("%w; what was read before is used", err)
	} else {
		c.last = fresh
	}
	if dates := c.current(c.last); dates != nil {
		return nil, errors.Join(dates, err)
	}
	return c.last, err
}

// read makes a configuration from the files as they are.
func (c *credentials) read() (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.serverName}
	if c.ca != "" {
		content, err := readFile("mqtt.tls.ca", c.ca)
		if err != nil {
			return nil, err
		}
		if out.RootCAs, err = authorities(content); err != nil {
			return nil, fmt.Errorf("cannot use %s (mqtt.tls.ca): %w", c.ca, err)
		}
	}
	if c.cert != "" {
		pair, err := c.pair()
		if err != nil {
			return nil, err
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

func (c *credentials) pair() (tls.Certificate, error) {
	var none tls.Certificate
	cert, err := readFile("mqtt.tls.cert", c.cert)
	if err != nil {
		return none, err
	}
	if _, err := blocks(cert, "CERTIFICATE"); err != nil {
		return none, fmt.Errorf("cannot use %s (mqtt.tls.cert): %w", c.cert, err)
	}
	key, err := readFile("mqtt.tls.key", c.key)
	if err != nil {
		return none, err
	}
	if _, err := blocks(key, "PRIVATE KEY"); err != nil {
		return none, fmt.Errorf("cannot use %s (mqtt.tls.key): %w", c.key, err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	switch {
	case err == nil:
		return pair, nil
	case strings.Contains(err.Error(), "does not match"):
		return none, fmt.Errorf("the key in %s (mqtt.tls.key) is not that of the certificate in %s (mqtt.tls.cert)", c.key, c.cert)
	}
	return none, fmt.Errorf("cannot use %s and %s (mqtt.tls.cert and key): %w", c.cert, c.key, err)
}

// current says if the client certificate is not valid now: the broker's own words for
// that would be poorer, or none.
func (c *credentials) current(config *tls.Config) error {
	if len(config.Certificates) == 0 {
		return nil
	}
	leaf, now := config.Certificates[0].Leaf, time.Now()
	switch {
	case leaf == nil:
		return nil
	case now.After(leaf.NotAfter):
		return fmt.Errorf("the client certificate %s (mqtt.tls.cert) expired on %s: renew it", c.cert, date(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the client certificate %s (mqtt.tls.cert) is valid only from %s: check the clock of this machine, which says %s",
			c.cert, date(leaf.NotBefore), date(now))
	}
	return nil
}

// readFile reads the file that a key of the configuration names.
func readFile(key, file string) ([]byte, error) {
	content, err := plainfile.Read(file)
	if err == nil {
		return content, nil
	}
	var reason *os.PathError
	if errors.As(err, &reason) {
		err = reason.Err
	}
	return nil, fmt.Errorf("cannot read %s (%s): %w", file, key, err)
}

// authorities reads certificates. Unlike the method of x509.CertPool it accepts no
// file of which a part cannot be read.
func authorities(content []byte) (*x509.CertPool, error) {
	certificates, err := blocks(content, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for i, der := range certificates {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of it is damaged: %w", i+1, err)
		}
		pool.AddCert(c)
	}
	return pool, nil
}

// blocks returns the PEM blocks whose type ends with kind. There is at least one, and
// none that lacks its end.
func blocks(content []byte, kind string) ([][]byte, error) {
	var out [][]byte
	var others []string
	for rest := content; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		switch {
		case b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != "":
			return nil, errors.New("the key is encrypted: write it without a passphrase, with openssl pkey -in FILE -out FILE")
		case strings.HasSuffix(b.Type, kind):
			out = append(out, b.Bytes)
		default:
			others = append(others, b.Type)
		}
	}
	switch {
	case bytes.Count(content, []byte("-----BEGIN ")) > len(out)+len(others): // pem.Decode passes over what it cannot read
		return nil, errors.New("it ends in the middle, or a part of it is damaged")
	case len(out) > 0:
		return out, nil
	case len(others) > 0:
		return nil, fmt.Errorf("there is no %s in it, but %s", strings.ToLower(kind), strings.ToLower(others[0]))
	}
	return nil, fmt.Errorf("there is no %s in it: it must be a PEM file, which begins with -----BEGIN", strings.ToLower(kind))
}

// TLS returns what gives each connection of mqtts and wss its configuration: TLS 1.2 or
// newer, the system's roots or those of the PEM file ca alone, a client certificate if
// cert and key name its files, and the name that the broker's certificate must have,
// "" for the host of the URL.
//
// The files are read at each connection, so that renewed ones are used without a
// restart. If they are not good at that time, the function returns both: the
// configuration of the last time that they were, and an error that is worth a warning.
// Without a configuration there can be no connection: the client certificate is not
// valid at present. TLS itself fails if the files are not good.
func TLS(ca, cert, key, serverName string) (func() (*tls.Config, error), error) {
	c, err := newCredentials(ca, cert, key, serverName)
	if err != nil {
		return nil, err
	}
	return c.config, nil
}
