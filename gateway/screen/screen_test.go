package screen

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCleanLeavesNothingToActOn(t *testing.T) {
	for in, want := range map[string]string{
		"23.5 °C": "23.5 °C", "a\x1b[31mb": "a·[31mb", "x\r\ny\x00\x07": "x··y··", "\u202eab": "·ab", "a\xffb": "a·b", "\u009b1m": "·1m", "温度": "温度",
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestColumns(t *testing.T) {
	for _, c := range []struct {
		text    string
		columns int
		cut     string // to five
		fit     string // into eight, on the right
	}{
		{"", 0, "", "        "},
		{"abc", 3, "abc", "     abc"},
		{"abcdefghi", 9, "abcd…", "abcdefg…"},
		{"温度传感器", 10, "温度…", "温度传…"},
		{"温度", 4, "温度", "    温度"},
		{"e\u0301e\u0301", 2, "e\u0301e\u0301", "      e\u0301e\u0301"},
		{"🌡 12", 5, "🌡 12", "   🌡 12"},
	} {
		if c.text == "🌡 12" { // one or two columns, depending on the version of Unicode
			if w := Width(c.text); w != 4 && w != 5 {
				t.Errorf("%q takes %d columns", c.text, w)
			}
			continue
		}
		if got := Width(c.text); got != c.columns {
			t.Errorf("%q takes %d columns, want %d", c.text, got, c.columns)
		}
		if got := Cut(c.text, 5); got != c.cut {
			t.Errorf("%q cut to %q, want %q", c.text, got, c.cut)
		}
		if got := Fit(c.text, 8, true); got != c.fit && got != " "+c.fit {
			t.Errorf("%q fits as %q, want %q", c.text, got, c.fit)
		}
	}
}

func FuzzFit(f *testing.F) {
	f.Add("温度\x1b[2J", 5)
	f.Fuzz(func(t *testing.T, text string, n int) {
		n = max(0, min(n, 200))
		got := Fit(Clean(text), n, false)
		if w := Width(got); w != n {
			t.Errorf("%q takes %d columns, want %d", got, w, n)
		}
		if strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("%q has control characters", got)
		}
	})
}

func TestSparkline(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{nil, ""}, {[]float64{5}, "▅"}, {[]float64{0, 7}, "▁█"}, {[]float64{3, 3, 3}, "▅▅▅"}, {[]float64{9, 9, 0, 1, 2, 3}, "▁▃▅█"},
	} {
		if got := Sparkline(c.values, 4); got != c.want {
			t.Errorf("%v is %s, want %s", c.values, got, c.want)
		}
	}
}

func TestKeys(t *testing.T) {
	got := keysOf("\x1b[A\x1b[6~jxG\x03\x1b[99;5u")
	if want := []Key{Up, PageDown, Down, End, Quit}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
