package compute_test

import (
	"os"
	"strings"
	"testing"

	"modferry/modbus/compute"
)

// Every function is described where users look for it.
func TestFunctionsAreDescribed(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, calls := range compute.Functions() {
		for call := range strings.SplitSeq(calls, "), ") {
			if call = strings.TrimSuffix(call, ")"); !strings.Contains(string(text), "`"+call+")`") {
				t.Errorf("docs/configuration.md does not tell of %s)", call)
			}
		}
	}
}
