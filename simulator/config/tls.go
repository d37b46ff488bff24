package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"modferry/configs/plainfile"
)

// TLSOptions are those of a TLS face.
type TLSOptions struct {
	Address string // host:port
	ServerTLS
}

// ServerTLS names the PEM files of a TLS face.
type ServerTLS struct {
	Cert, Key string
	ClientCA  string // certificates of which one must have signed the client's; "": clients need none
}

// Config returns what the files say. Error: they cannot be read, or are not what they should be.
func (o ServerTLS) Config() (*tls.Config, error) {
	pair, err := plainfile.KeyPair(o.Cert, o.Key)
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificate %s and its key: %w", o.Cert, err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if o.ClientCA == "" {
		return c, nil
	}
	pem, err := plainfile.Read(o.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificates that sign clients': %w", err)
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s: it must be a PEM file", o.ClientCA)
	}
	return c, nil
}
