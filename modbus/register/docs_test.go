package register_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"modferry/modbus/register"
)

// The examples of docs/configuration.md are what registers become, of every type and order.
func TestDocumentedExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| `([a-z-]+)` \\| `([0-9A-F ]+)` \\| `(.*)` \\|$").FindAllStringSubmatch(string(page), -1) {
		kind, ok1 := register.TypeByName(m[1])
		o, ok2 := register.OrderByName(m[2])
		if !ok1 || !ok2 {
			t.Errorf("%s: unknown type or order", m[0])
			continue
		}
		shown[m[1]], shown[m[2]] = true, true
		f := holding(kind, order(o))
		if kind == register.String {
			f.Count = len(strings.Fields(m[3]))
		}
		if v, err := f.Decode(bytesOf(t, m[3])); err != nil || string(v.JSON()) != m[4] {
			t.Errorf("%s: %s, %v", m[0], v.JSON(), err)
		}
	}
	for _, name := range append(register.TypeNames()[1:], register.OrderNames()...) {
		if !shown[name] {
			t.Errorf("%s has no example", name)
		}
	}
}
