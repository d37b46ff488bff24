package mqtt

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// trouble is an error in words for users; it wraps what a program may ask about.
type trouble struct {
	words string
	cause error
}

func (t *trouble) Error() string { return t.words }

func (t *trouble) Unwrap() error { return t.cause }

// dialError puts the reason why a connection cannot be made, or has ended, into a
// sentence that says what to do. What it does not know it returns as it is.
func dialError(err error) error {
	var said *trouble
	if err == nil || errors.As(err, &said) {
		return err
	}
	for _, words := range []func(error) string{certificateWords, alertWords, protocolWords, networkWords} {
		if w := words(err); w != "" {
			return &trouble{w, err}
		}
	}
	var ( // without the words of those who passed it on
		network *net.OpError
		request *url.Error
	)
	switch {
	case errors.As(err, &network):
		return network
	case errors.As(err, &request):
		return request.Err
	}
	return err
}

// certificateWords is about the broker's certificate.
func certificateWords(err error) string {
	var (
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		roots   x509.SystemRootsError
	)
	switch {
	case errors.As(err, &invalid):
		return invalidWords(invalid)
	case errors.As(err, &unknown):
		return "the broker's certificate is signed by an authority that is not known here: set mqtt.tls.ca to a file with the certificate of that authority"
	case errors.As(err, &name) && len(name.Certificate.DNSNames)+len(name.Certificate.IPAddresses) == 0:
		return fmt.Sprintf("the broker's certificate is for %s: have it issued again with %s as a subject alternative name", names(name.Certificate), name.Host)
	case errors.As(err, &name):
		return fmt.Sprintf("the broker's certificate is not for %s but for %s: correct the host in mqtt.url, or set mqtt.tls.server_name", name.Host, names(name.Certificate))
	case errors.As(err, &roots):
		return "this system has no certificates of authorities: install them (package ca-certificates), or set mqtt.tls.ca"
	}
	return ""
}

func invalidWords(e x509.CertificateInvalidError) string {
	switch e.Reason {
	case x509.Expired:
		if time.Now().Before(e.Cert.NotBefore) {
			return fmt.Sprintf("the certificate %s of the broker is valid only from %s: check the clock of this machine, which says %s",
				subject(e.Cert), date(e.Cert.NotBefore), date(time.Now()))
		}
		return fmt.Sprintf("the certificate %s of the broker expired on %s: renew it there", subject(e.Cert), date(e.Cert.NotAfter))
	case x509.IncompatibleUsage:
		return fmt.Sprintf("the certificate %s of the broker is not one for servers: it needs the extended key usage serverAuth", subject(e.Cert))
	}
	return fmt.Sprintf("the certificate %s of the broker cannot be used: %v", subject(e.Cert), e)
}

func subject(c *x509.Certificate) string {
	if s := c.Subject.String(); s != "" {
		return s
	}
	return names(c)
}

// names lists whom a certificate is for.
func names(c *x509.Certificate) string {
	const most = 8
	all := c.DNSNames
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	switch {
	case len(all) == 0 && c.Subject.CommonName != "":
		return fmt.Sprintf("%s in its common name only, which no longer counts", c.Subject.CommonName)
	case len(all) == 0:
		return "nobody (it has no subject alternative name)"
	case len(all) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
	}
	return strings.Join(all, ", ")
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// alertWords is about what the broker does not like, and says by an alert [RFC 8446, 6].
// The type that package tls has for alerts is not exported.
func alertWords(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return ""
	}
	alert := strings.TrimPrefix(op.Err.Error(), "tls: ")
	switch alert {
	case "certificate required":
		return "the broker wants a client certificate: set mqtt.tls.cert and mqtt.tls.key"
	case "bad certificate", "handshake failure":
		return fmt.Sprintf("the broker refused the TLS handshake (%s): it probably wants a client certificate, or another one, see mqtt.tls.cert and mqtt.tls.key", alert)
	case "expired certificate", "revoked certificate", "unknown certificate authority", "unknown certificate", "unsupported certificate", "access denied":
		return fmt.Sprintf("the broker refused the client certificate (%s): check mqtt.tls.cert, and the authorities that the broker trusts", alert)
	case "protocol version not supported":
		return oldTLS
	case "unrecognized name":
		return "the broker does not know the host name of mqtt.url: correct it, or set mqtt.tls.server_name"
	}
	return fmt.Sprintf("the broker ended the TLS connection (%s)", alert)
}

const oldTLS = "the broker speaks only TLS older than 1.2, which is broken: update the broker, or allow TLS 1.2 there"

// protocolWords is about a server that speaks something else.
func protocolWords(err error) string {
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "no TLS is spoken at this port: begin mqtt.url with mqtt:// or ws://, or use the port with TLS (mostly 8883, or 443 for wss)"
	case strings.Contains(err.Error(), "tls: server selected unsupported protocol version"):
		return oldTLS
	case strings.Contains(err.Error(), "malformed HTTP response"), strings.Contains(err.Error(), "readLoopPeekFailLocked"): // it speaks first
		return "no HTTP is spoken at this port: begin mqtt.url with mqtt://, or wss:// if the port has TLS, or use the port of the WebSocket listener"
	case strings.Contains(err.Error(), "unexpected Sec-WebSocket-Protocol"), strings.Contains(err.Error(), "WebSocket protocol violation"):
		return fmt.Sprintf("what answers there is no MQTT over WebSocket: check the path in mqtt.url (%v)", err)
	}
	return ""
}

// endedBy reports whether it was the peer who ended the connection.
func endedBy(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// endedEarly is about a connection that the peer ended before it began to speak MQTT:
// it often does so without a word when it does not understand ours. In TLS 1.3 the
// handshake is over before a client certificate is looked at.
func endedEarly(during string, secured bool, err error) error {
	advice := "check that mqtt.url fits the port, mqtt:// for one without TLS, mqtts:// with it, ws:// and wss:// for WebSocket"
	if secured {
		advice = "check whether it wants a client certificate, or another one (mqtt.tls.cert and mqtt.tls.key), and whether the port is one for MQTT"
	}
	return &trouble{"the broker ended the connection during " + during + ": " + advice, err}
}

// networkWords is about the way to the broker.
func networkWords(err error) string {
	var (
		op  *net.OpError
		dns *net.DNSError
	)
	isOp := errors.As(err, &op)
	switch {
	case isOp && op.Op == "proxyconnect":
		return fmt.Sprintf("the proxy cannot be reached (%v): check HTTP_PROXY, HTTPS_PROXY and NO_PROXY", op.Err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("no host has the name %s: check mqtt.url, and the name server", dns.Name)
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s cannot be looked up: check the network and the name server (%s)", dns.Name, dns.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("%sconnection refused: check the port, and whether the broker runs", place(op))
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Sprintf("%sconnection reset: the broker, or something on the way to it, ended it", place(op))
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Sprintf("%sno way there: check the network", place(op))
	}
	return ""
}

func place(op *net.OpError) string {
	if op == nil || op.Addr == nil {
		return ""
	}
	return op.Addr.String() + ": "
}

// refused says why an HTTP server did not open a WebSocket.
func refused(reply *http.Response) error {
	words := "check the path in mqtt.url, /mqtt for most brokers"
	var body []byte
	if reply.Body != nil {
		body, _ = io.ReadAll(io.LimitReader(reply.Body, 1024)) // the library has it in memory
	}
	switch code := reply.StatusCode; {
	case code >= 300 && code < 400:
		words = fmt.Sprintf("write where it leads to in mqtt.url, %q", reply.Header.Get("Location"))
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		words = "the web server lets nobody in there; name and password of MQTT come later"
	case code == http.StatusProxyAuthRequired:
		words = "the proxy wants a password, see HTTP_PROXY and HTTPS_PROXY"
	case code == http.StatusBadRequest && bytes.Contains(body, []byte("HTTPS port")):
		words = "the port has TLS, begin mqtt.url with wss://"
	case code == http.StatusBadGateway || code == http.StatusServiceUnavailable || code == http.StatusGatewayTimeout:
		words = "the web server does not reach the broker behind it"
	}
	status := strings.TrimSpace(fmt.Sprintf("%d %s", reply.StatusCode, http.StatusText(reply.StatusCode)))
	return &trouble{fmt.Sprintf("no WebSocket, the server answers HTTP %s: %s", status, words), nil}
}

// greeting looks at the first bytes that come from a broker.
func greeting(first []byte) error {
	const shown = 16
	switch {
	case len(first) == 0, first[0] == 0x20, first[0] == 0xF0: // CONNACK [MQTT-3.2.0-1], AUTH [MQTT 5, 4.12]
		return nil
	case first[0] == 0x15 && (len(first) == 1 || first[1] == 3): // an alert [RFC 8446, 5.1]
		return &trouble{"TLS is spoken at this port: begin mqtt.url with mqtts:// or wss://", nil}
	case bytes.HasPrefix(first, []byte("HTTP/")):
		return &trouble{"HTTP is spoken at this port: begin mqtt.url with ws://, or use the port of MQTT (mostly 1883)", nil}
	}
	return &trouble{fmt.Sprintf("no MQTT is spoken at this port, the answer begins with %q: check host and port in mqtt.url", first[:min(len(first), shown)]), nil}
}
