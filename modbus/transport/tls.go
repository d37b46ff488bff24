package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"modferry/configs/plainfile"
)

// Secure returns the TLS configuration of one connection. It is asked at each.
type Secure func() (*tls.Config, error)

// TLSFiles name PEM files. They are read at each connection, so that a certificate
// that was renewed is used without a restart.
type TLSFiles struct {
	CA         string // certificates of which one signed the server's; "" = those of the system
	Cert, Key  string // our own; "" = none
	ServerName string // that the server's certificate must have; "" = the host connected to
}

// Config is a [Secure] for TLS 1.2 or newer.
func (f TLSFiles) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName}
	if f.CA != "" {
		pem, err := plainfile.Read(f.CA)
		if err != nil {
			return nil, fmt.Errorf("cannot read the CA certificates: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no CA certificate in %s: it must be a PEM file", f.CA)
		}
	}
	if f.Cert != "" {
		pair, err := plainfile.KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, fmt.Errorf("cannot read the client certificate %s and its key: %w", f.Cert, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// tlsAdvice says what to do about a connection that TLS refused, "" where it did not.
func tlsAdvice(err error) string {
	var (
		invalid  x509.CertificateInvalidError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		record   tls.RecordHeaderError
		op       *net.OpError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the server's certificate, or set the clock of this machine"
	case errors.As(err, &unknown):
		return "set ca to a file with the certificate that signed the server's"
	case errors.As(err, &hostname):
		return "set server_name to a name that the server's certificate has"
	case errors.As(err, &record):
		return "the server does not speak TLS at this port, use tcp or another port"
	case errors.As(err, &op) && op.Op == "remote error": // an alert
		return "the server refused this client, check its cert and key, and that the server trusts them"
	}
	return ""
}
