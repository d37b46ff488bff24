package mqtt

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// TLS returns the client configuration of mqtts and wss: TLS 1.2 or newer, the
// system's roots unless ca names a PEM file, a client certificate if cert and key
// do. The client certificate is read again at each connect, so that a renewed one
// is used without a restart.
func TLS(ca, cert, key, serverName string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: serverName}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("cannot read the CA certificates of mqtt.tls.ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificate in %s (mqtt.tls.ca): it must be a PEM file", ca)
		}
	}
	if cert == "" {
		return c, nil
	}
	read := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("cannot read the client certificate of mqtt.tls: %w", err)
		}
		return &pair, nil
	}
	if _, err := read(nil); err != nil {
		return nil, err
	}
	c.GetClientCertificate = read
	return c, nil
}
