// Package prometheus has no code: its files are tested here.
package prometheus

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"modferry/gateway/gatewaytest"
	"modferry/gateway/metrics"
)

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(gatewaytest.Need(t, "promtool"), args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

func TestAlertRules(t *testing.T) {
	promtool(t, "check", "rules", "alerts.yaml")
	promtool(t, "test", "rules", "alerts_test.yaml")
}

// expressions are those of the dashboard.
func expressions(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range dashboard.Panels {
		if p.Title == "" || len(p.Targets) == 0 {
			t.Errorf("panel %+v shows nothing", p)
		}
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	return all
}

func TestDashboardIsGoodPromQL(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups: [{name: dashboard, rules: [\n")
	for i, e := range expressions(t) {
		e = strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$bus", ".*").Replace(e)
		fmt.Fprintf(&rules, "{record: panel_%d, expr: %q},\n", i, e)
	}
	rules.WriteString("]}]\n")
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

// Nothing asks for a metric or a label that is not there.
func TestOnlyMetricsThatThereAre(t *testing.T) {
	known := map[string]bool{}
	for _, m := range metrics.All {
		known[m.FullName()] = true
		if m.Kind == metrics.Histogram {
			known[m.FullName()+"_bucket"] = true
		}
	}
	alerts, err := os.ReadFile("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`modferry_\w+`)
	seen := 0
	for _, e := range append(expressions(t), string(alerts)) {
		for _, name := range names.FindAllString(e, -1) {
			if seen++; !known[name] {
				t.Errorf("there is no metric %s", name)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d metrics are used", seen)
	}
}
