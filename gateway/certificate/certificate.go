// Package certificate is the TLS of this program's own listeners: a certificate from
// PEM files that are read again when they change, so that a renewed one is used
// without a restart. TLS 1.2 or newer. A renewed certificate that is broken is
// reported once, and the one before it stays.
package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"modferry/configs/plainfile"
)

// Files name PEM files.
type Files struct {
	Cert, Key string // the listener's own
	CA        string // clients need a certificate that one of these signed; "" = they need none
}

// lookAgain is how long the files are taken to be as they were.
const lookAgain = time.Second

// Source returns the TLS configuration of each connection. Its methods may be called
// from any goroutine.
type Source struct {
	files Files
	log   *slog.Logger

	mu      sync.Mutex
	current *tls.Config
	stamps  [3]stamp
	looked  time.Time
	failed  string // the last trouble that was logged
}

// stamp tells whether a file is still the one that was read.
type stamp struct {
	changed time.Time
	size    int64
}

// New reads the files for the first time; after that they may be wrong.
func New(files Files, log *slog.Logger) (*Source, error) {
	s := &Source{files: files, log: log, looked: time.Now(), stamps: files.stamps()}
	var err error
	s.current, err = files.read()
	return s, err
}

// Config returns the configuration for one connection. The error is always nil.
func (s *Source) Config() (*tls.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.looked) < lookAgain {
		return s.current, nil
	}
	s.looked = time.Now()
	now := s.files.stamps()
	if now == s.stamps {
		return s.current, nil
	}
	fresh, err := s.files.read()
	if err != nil { // perhaps one of two files is written yet: the stamps stay, to look again
		if s.failed != err.Error() {
			s.failed = err.Error()
			s.log.Warn("a changed certificate is not used, the one before it stays", "error", err)
		}
		return s.current, nil
	}
	s.current, s.stamps, s.failed = fresh, now, ""
	s.log.Info("a changed certificate is used", "file", s.files.Cert)
	return s.current, nil
}

func (f Files) stamps() (all [3]stamp) {
	for i, name := range []string{f.Cert, f.Key, f.CA} {
		if info, err := os.Stat(name); err == nil { // follows links, which may point elsewhere by now
			all[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return all
}

func (f Files) read() (*tls.Config, error) {
	pair, err := plainfile.KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificate %s and its key: %w", f.Cert, err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if f.CA == "" {
		return c, nil
	}
	pem, err := plainfile.Read(f.CA)
	if err != nil {
		return nil, fmt.Errorf("cannot read the CA certificates of the clients: %w", err)
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no CA certificate in %s: it must be a PEM file", f.CA)
	}
	return c, nil
}
