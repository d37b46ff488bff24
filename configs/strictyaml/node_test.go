package strictyaml_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"modferry/configs/strictyaml"
)

func environment(name string) (string, bool) {
	v, ok := map[string]string{"NAME": "workshop", "PORT": "8080", "SECRET": "hunter2", "EMPTY": "", "ON": "true"}[name]
	return v, ok
}

func value(text string) (*strictyaml.Document, strictyaml.Node) {
	d := strictyaml.Parse("f", []byte("k: "+text+"\n"), strictyaml.Options{Env: environment})
	return d, d.Root().Map().Get("k")
}

// readers turn a node into a value that can be compared; each has a default nobody writes.
var readers = map[string]func(strictyaml.Node) any{
	"string":   func(n strictyaml.Node) any { return n.String("default") },
	"text":     func(n strictyaml.Node) any { s, ok := n.Text(); return map[bool]any{true: s}[ok] },
	"bool":     func(n strictyaml.Node) any { return n.Bool(true) },
	"int":      func(n strictyaml.Node) any { return n.Int(-1, 0, 70000) },
	"anyint":   func(n strictyaml.Node) any { return n.Int(-1, math.MinInt, math.MaxInt) },
	"float":    func(n strictyaml.Node) any { return n.Float(-1, -math.MaxFloat64, 1e6) },
	"duration": func(n strictyaml.Node) any { return n.Duration(-1, 0, time.Hour) },
	"oneof":    func(n strictyaml.Node) any { return n.OneOf("none", "none", "even", "odd") },
	"size":     func(n strictyaml.Node) any { return n.Size(-1) },
}

func TestScalars(t *testing.T) {
	tests := []struct {
		reader, text string
		want         any
		problem      string // after "f:1:4: k: "
	}{
		{"string", "abc # comment", "abc", ""},
		{"string", "0123", "0123", ""},
		{"string", "no", "no", ""},
		{"string", "'it''s'", "it's", ""},
		{"string", `"a\tb"`, "a\tb", ""},
		{"string", "|\n  two\n  lines", "two\nlines\n", ""},
		{"string", "[a]", "default", "expected text, got a list"},
		{"string", "{a: b}", "default", "expected text, got a mapping"},
		{"string", "~", "default", "expected text, got nothing"},

		{"text", "abc", "abc", ""},
		{"text", "''", nil, "the text is empty: fill it in, or remove the key"},
		{"text", "${EMPTY}", nil, "the text is empty: fill it in, or remove the key"},
		{"text", "[]", nil, "expected text, got a list"},

		{"bool", "false", false, ""},
		{"bool", "yes", true, `expected true or false, got "yes"`},
		{"bool", "'false'", true, `expected true or false, got "false": remove the quotes`},
		{"bool", "${ON}", true, ""},

		{"int", "9600", 9600, ""},
		{"int", "0x0103", 0x103, ""},
		{"int", "0", 0, ""},
		{"anyint", "-5", -5, ""},
		{"anyint", "x", -1, `expected a whole number, got "x"`},
		{"int", "70001", -1, "expected a whole number from 0 to 70000, got 70001"},
		{"int", "-1", -1, "expected a whole number from 0 to 70000, got -1"},
		{"int", "99999999999999999999", -1, "expected a whole number from 0 to 70000, got \"99999999999999999999\""},
		{"int", "9600.0", -1, "expected a whole number from 0 to 70000, got 9600.0"},
		{"int", "0x-5", -1, `expected a whole number from 0 to 70000, got "0x-5"`},
		{"int", "1_000", -1, "expected a whole number from 0 to 70000, got 1_000"},
		{"int", "010", -1, "expected a whole number from 0 to 70000, got 010: write it without the leading 0, or as 0x for hexadecimal"},
		{"int", "'9600'", -1, `expected a whole number from 0 to 70000, got "9600": remove the quotes`},
		{"int", "[1]", -1, "expected a whole number from 0 to 70000, got a list"},

		{"float", "0.1", 0.1, ""},
		{"float", "-10", -10.0, ""},
		{"float", "1e3", 1000.0, ""},
		{"float", ".inf", -1.0, "expected a number of at most 1000000, got .inf"},
		{"float", "nan", -1.0, `expected a number of at most 1000000, got "nan"`},
		{"float", "2e6", -1.0, "expected a number of at most 1000000, got \"2e6\""},

		{"duration", "300ms", 300 * time.Millisecond, ""},
		{"duration", "1m30s", 90 * time.Second, ""},
		{"duration", "'5s'", 5 * time.Second, ""},
		{"duration", "0", time.Duration(0), ""},
		{"duration", "5", time.Duration(-1), "expected a duration from 0s to 1h, got 5: add a unit, as in 5ms or 5s"},
		{"duration", "5 s", time.Duration(-1), `expected a duration from 0s to 1h, got "5 s": write it as in 300ms, 5s or 1m30s`},
		{"duration", "61m", time.Duration(-1), `expected a duration from 0s to 1h, got "61m"`},
		{"duration", "-1s", time.Duration(-1), `expected a duration from 0s to 1h, got "-1s"`},

		{"oneof", "even", "even", ""},
		{"oneof", "evne", "none", `expected none, even or odd, got "evne": did you mean even?`},
		{"oneof", "ODD", "none", `expected none, even or odd, got "ODD": did you mean odd?`},
		{"oneof", "8", "none", "expected none, even or odd, got 8"},

		{"size", "64MiB", int64(64 << 20), ""},
		{"size", "10 kB", int64(10000), ""},
		{"size", "4096B", int64(4096), ""},
		{"size", "0", int64(0), ""},
		{"size", "64M", int64(-1), `expected a size, got "64M": write it as in 64MiB (KiB, MiB, GiB, kB, MB, GB or B)`},
		{"size", "64", int64(-1), "expected a size, got 64: write it as in 64MiB (KiB, MiB, GiB, kB, MB, GB or B)"},
		{"size", "99999999999GiB", int64(-1), `expected a size, got "99999999999GiB": write it as in 64MiB (KiB, MiB, GiB, kB, MB, GB or B)`},

		{"string", "${NAME}", "workshop", ""},
		{"string", "'a-${NAME}-$$-$x-${EMPTY}'", "a-workshop-$-$x-", ""},
		{"string", "$${NAME}", "${NAME}", ""},
		{"int", "${PORT}", 8080, ""},
		{"int", `"${PORT}"`, 8080, ""},
		{"int", "${SECRET}", -1, `expected a whole number from 0 to 70000, got "${SECRET}"`},
		{"bool", "${SECRET}", true, `expected true or false, got "${SECRET}"`},
		{"duration", "${PORT}", time.Duration(-1), `expected a duration from 0s to 1h, got "${PORT}": add a unit such as ms or s`},
		{"oneof", "${SECRET}", "none", `expected none, even or odd, got "${SECRET}"`},
		{"string", "a-${GONE}", "default", "the environment variable GONE is not set: set it, or write $$ for a dollar sign"},
		{"string", "${NAME", "default", `"${NAME" is not a variable: write ${NAME} with letters, digits and _, or $$ for a dollar sign`},
		{"string", "'${a b}'", "default", `"${a b}" is not a variable: write ${NAME} with letters, digits and _, or $$ for a dollar sign`},
	}
	for _, test := range tests {
		d, n := value(test.text)
		got := readers[test.reader](n)
		problem := ""
		if err := d.Err(); err != nil {
			problem = strings.TrimPrefix(err.Error(), "f:1:4: k: ")
			problem = strings.TrimPrefix(problem, "f:1:1: k: ") // a text block and what is not there are at the key
		}
		if got != test.want || problem != test.problem {
			t.Errorf("%s of %q:\n got %#v, %s\nwant %#v, %s", test.reader, test.text, got, problem, test.want, test.problem)
		}
	}
}

func TestAbsentValueIsTheDefault(t *testing.T) {
	d := strictyaml.Parse("f", []byte("a: 1"), strictyaml.Options{})
	for name, read := range readers {
		got := read(d.Root().Map().Get("gone"))
		if want := read(strictyaml.Node{}); got != want {
			t.Errorf("%s: %v, zero Node %v", name, got, want)
		}
	}
	if err := d.Err(); err != nil {
		t.Error(err)
	}
}

func TestWithoutEnvDollarsStay(t *testing.T) {
	d := strictyaml.Parse("f", []byte("k: ${NAME}$$"), strictyaml.Options{})
	if got := d.Root().Map().Get("k").String(""); got != "${NAME}$$" {
		t.Errorf("got %q", got)
	}
}

func TestMap(t *testing.T) {
	const text = `
buses:
  a:
    baud: 9600
    buad: 1
    Stop-Bits: 2
    frobnicate: 3
    baud: 19200
  b: 5
  c:
`
	const want = `f:3:3: buses.a.mode: the key is missing: add mode
f:5:5: buses.a.buad: unknown key: did you mean baud?
f:6:5: buses.a.Stop-Bits: unknown key: did you mean stop_bits?
f:7:5: buses.a.frobnicate: unknown key: known are baud, mode, stop_bits
f:8:5: buses.a.baud: the key is already on line 4: keep one of the two
f:9:6: buses.b: expected a mapping (key: value), got 5
f:10:3: buses.c: expected a mapping (key: value), got nothing`
	d := strictyaml.Parse("f", []byte(text), strictyaml.Options{})
	root := d.Root().Map()
	names := ""
	for _, e := range root.Get("buses").Map().Entries() {
		names += e.Name
		m := e.Value.Map()
		if baud := m.Get("baud").Int(1200, 0, 99999); e.Name == "a" && baud != 9600 {
			t.Errorf("baud %d: the first of two keys counts", baud)
		}
		m.Need("mode").String("")
		m.Get("stop_bits").Int(1, 1, 2)
		m.Done()
	}
	root.Done()
	if err := d.Err(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if names != "abc" {
		t.Errorf("entries %q", names)
	}
}

func TestList(t *testing.T) {
	d := strictyaml.Parse("f", []byte("a: [1, x]\nb:\n- 1\n-\nc: 5\n"), strictyaml.Options{})
	m := d.Root().Map()
	for _, key := range []string{"a", "b", "c", "gone"} {
		for _, n := range m.Get(key).List() {
			n.Int(0, 0, 9)
		}
	}
	if one := m.Get("c").ListOrOne(); len(one) != 1 || one[0].Int(0, 0, 9) != 5 {
		t.Errorf("ListOrOne of a scalar: %v", one)
	}
	const want = `f:1:8: a[1]: expected a whole number from 0 to 9, got "x"
f:4:1: b[1]: expected a whole number from 0 to 9, got nothing
f:5:4: c: expected a list, got 5: write [a, b] or one item per line after a dash`
	if err := d.Err(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestEmptyFile(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		d := strictyaml.Parse("f", []byte(text), strictyaml.Options{})
		d.Root().Map().Need("a")
		if err := d.Err(); err == nil || err.Error() != "f:1:1: the file is empty: expected keys with values" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	d := strictyaml.Parse("f", []byte("a: {b: 1}\n"), strictyaml.Options{})
	d.Root().Map().Get("a").Map().Get("b").Warnf("%d is odd", 1)
	if err := d.Err(); err != nil {
		t.Error(err)
	}
	if w := d.Warnings(); len(w) != 1 || w[0].String() != "f:1:8: a.b: 1 is odd" {
		t.Errorf("warnings %v", w)
	}
}

func TestPathQuotesOddKeys(t *testing.T) {
	d := strictyaml.Parse("f", []byte("a:\n  'b.c d': [{e: 1}]\n"), strictyaml.Options{})
	n := d.Root().Map().Get("a").Map().Get("b.c d").List()[0].Map().Get("e")
	if n.Path() != `a."b.c d"[0].e` || n.Line() != 2 || n.Column() != 17 {
		t.Errorf("%s at %d:%d", n.Path(), n.Line(), n.Column())
	}
}
