package config

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"modferry/configs/strictyaml"
)

// Secret is text that never shows in logs, errors or dumps. It is behind a pointer so
// that even a dump of a private field, which calls no methods, has an address only.
type Secret struct{ value *string }

// NewSecret hides value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{&value}
}

// Reveal returns the text, for the one place that needs it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String hides the text.
func (s Secret) String() string {
	if s.value == nil {
		return ""
	}
	return "(secret)"
}

// Format hides the text from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText hides the text from every encoder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

const maxPassword = 65535 // bytes in a CONNECT [MQTT 3.1.1, 3.1.3.5]

// password reads password or password_file of a mapping; ok is false if neither is
// there, or if it is wrong, which is reported.
func (d *decoder) password(m *strictyaml.Map) (s Secret, ok bool) {
	direct, file := m.Get("password"), m.Get("password_file")
	switch {
	case direct.Present() && file.Present():
		file.Problemf("there is a password already: keep one of password and password_file")
	case direct.Present():
		text, ok := direct.Text()
		return checkSecret(direct, text, ok)
	case file.Present():
		text, ok := d.secretFile(file)
		return checkSecret(file, text, ok)
	}
	return Secret{}, false
}

func checkSecret(n strictyaml.Node, text string, ok bool) (Secret, bool) {
	if len(text) > maxPassword {
		n.Problemf("the password is longer than %d bytes: no broker takes that", maxPassword)
		return Secret{}, false
	}
	return NewSecret(text), ok
}

// secretFile reads a file without its last line break, which editors add.
func (d *decoder) secretFile(n strictyaml.Node) (string, bool) {
	data, ok := d.read(n)
	if !ok {
		return "", false
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	if len(data) == 0 {
		n.Problemf("the file %s is empty: write the password into it", n.Shown())
		return "", false
	}
	return string(data), true
}

// read reads the file that n names.
func (d *decoder) read(n strictyaml.Node) ([]byte, bool) {
	file := d.path(n)
	if file == "" {
		return nil, false
	}
	data, err := d.options.ReadFile(file)
	if err != nil {
		where := ""
		if !filepath.IsAbs(n.String("")) {
			where = ", which is relative to the configuration file"
		}
		n.Problemf("cannot read the file %s%s: %v", n.Shown(), where, reason(err))
		return nil, false
	}
	return data, true
}

// isSecret reports whether a secret is, or by mistake may be, at a path: a password,
// or what somebody wrote in place of the settings that have one.
func isSecret(path string) bool {
	for _, users := range []string{"broker.users", "http.users"} {
		user, isUser := strings.CutPrefix(path, users+".")
		if path == users || strings.HasPrefix(path, users+"[") || isUser && !strings.Contains(user, ".") {
			return true
		}
	}
	return strings.HasSuffix(path, ".password") || path == "mqtt" || path == "broker" || path == "http"
}
