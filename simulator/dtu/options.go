package dtu

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
)

// Options say where the messages are.
type Options struct {
	URL                string // mqtt://host, mqtts://host, ws://host/path or wss://host/path, each with user:password@ before the host if needed
	Request, Response  string // topics, without wildcards and not the same
	Hex                bool   // payloads are hex digits, not the bytes themselves
	QoS                byte   // 0 or 1, of both topics
	ClientID           string // "" = one of its own
	Username, Password string // instead of those in the URL

	Logger *slog.Logger // nil: silent
}

// ports are those of addresses that name none.
var ports = map[string]string{"mqtt": "1883", "tcp": "1883", "mqtts": "8883", "ssl": "8883", "ws": "80", "wss": "443"}

var errAddress = errors.New("the server's address must begin with mqtt://, mqtts://, ws:// or wss:// and name a host, such as mqtt://127.0.0.1:1883")

// Check returns what is wrong with the options.
func (o Options) Check() error {
	if _, err := o.server(); err != nil {
		return err
	}
	for _, topic := range []string{o.Request, o.Response} {
		if topic == "" || strings.ContainsAny(topic, "+#\x00") || len(topic) > 65535 {
			return fmt.Errorf("%q is no topic of one line: it must be a name without + and #, such as dtu/1/down", topic)
		}
	}
	if o.Request == o.Response {
		return errors.New("requests and responses need two topics: on one, the devices would hear themselves")
	}
	if o.QoS > 1 {
		return fmt.Errorf("a QoS of %d: it must be 0 or 1", o.QoS)
	}
	return nil
}

// server returns the address with a port.
func (o Options) server() (*url.URL, error) {
	if !strings.Contains(o.URL, "://") {
		return nil, errAddress
	}
	u, err := url.Parse(o.URL)
	var wrong *url.Error
	if errors.As(err, &wrong) {
		err = wrong.Err // without the address, which may have a password
	}
	if err != nil {
		return nil, fmt.Errorf("the server's address cannot be read: %w", err)
	}
	port, known := ports[u.Scheme]
	if !known || u.Hostname() == "" {
		return nil, errAddress
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}
