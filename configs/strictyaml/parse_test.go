package strictyaml_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"modferry/configs/strictyaml"
)

func TestSyntax(t *testing.T) {
	tests := []struct{ text, want string }{
		{"a: 1\n\tb: 2", "2:1: a tab where spaces belong: indent with spaces"},
		{"a: 'x\nb: 1", "1:4: the quote ' is not closed: add the closing '"},
		{"a: 1\nb: \"x", "2:4: the quote \" is not closed: add the closing \""},
		{`a: "x\q"`, `1:7: unknown escape after \ in double quotes: use single quotes, or write \\ for a backslash`},
		{"a: [1, 2\nb: 3", "2:1: expected , or ] here: a comma is missing or the list in [ ] is not closed"},
		{"a: {b: 1\nc: 2", "2:1: expected , or } here: a comma is missing, the mapping in { } is not closed, or a value such as ${NAME} or a[0] has no quotes"},
		{"a: {compute: coils[0] + 1}", "1:19: expected , or } here: a comma is missing, the mapping in { } is not closed, or a value such as ${NAME} or a[0] has no quotes"},
		{"a: [1, 2", "1:4: the list that begins here is not closed: add ]"},
		{"a: {b: 1", "1:4: the mapping that begins here is not closed: add }"},
		{"a: ]", "1:4: a ] without its [: remove it, or put the text in quotes"},
		{"a: [1, , 2]", "1:8: a comma without a value before it: remove it"},
		{"a: {b: 1, , c: 2}", "1:11: a comma without a key before it: remove it"},
		{"a: {compute: dew_point(t, h)}", "1:27: expected a key followed by a colon and a space; a comma inside { } ends a value: put a value that has one in quotes"},
		{"a: {b, c: 1}", "1:5: expected a key followed by a colon and a space"},
		{"a: [b: 1]", "1:5: a key in a list: write {b: ...}"},
		{"a: b: c", "1:5: a colon where none can be: put text with a colon in quotes, or line the key up with the keys around it"},
		{"a: 1\n  b: 2", "2:4: a colon where none can be: put text with a colon in quotes, or line the key up with the keys around it"},
		{"a:b\nc: d", "1:1: expected a key followed by a colon and a space"},
		{"a: 1\nb", "2:1: expected a key followed by a colon and a space"},
		{"a:\n  b: 1\n c: 2", "3:2: this does not belong here: it must line up with the keys around it; check the indentation, and quotes and brackets before it"},
		{"a:\n  - b\n  c: d", "3:3: this does not belong here: it must line up with the keys around it; check the indentation, and quotes and brackets before it"},
		{"a: 'b'c", "1:7: this does not belong here: it must line up with the keys around it; check the indentation, and quotes and brackets before it"},
		{"a: - b", "1:4: a list with dashes cannot begin here: put every dash on its own line below the key"},
		{": a", "1:1: a colon without a key before it: write key: value, or put text with a colon in quotes"},
		{"a: @b", "1:4: text cannot begin with @ or `: put it in quotes"},
		{"a: }", "1:4: text that begins with a bracket or comma, or has a colon and a space in it: put it in quotes"},
		{"a: &x 1", "1:4: anchors (&name) are not supported: write the values out, or put text that begins with & in quotes"},
		{"a: *x", "1:4: aliases (*name) are not supported: write the values out, or put text that begins with * in quotes"},
		{"a: !!str 1", "1:4: tags (!name) are not supported: remove it, or put text that begins with ! in quotes"},
		{"<<: {a: 1}", "1:1: merge keys (<<) are not supported: write the keys out"},
		{"? a\n: b", "1:1: keys that begin with ? are not supported: write key: value"},
		{"%YAML 1.2\n---\na: 1", "1:1: directives (%NAME) are not supported: remove the line, or put text that begins with % in quotes"},
		{"a: 1\n---\nb: 2", "2:1: a second document begins here: keep one per file, remove the --- between them"},
		{"--- a: 1", "1:5: nothing may follow --- on its line: begin a new line"},
		{"a: |x\n  b", "1:4: only -, + or a digit may follow | or >: put the text on the next line, or in quotes"},
		{"a: é\nbé: [ü, \xff]", "2:9: byte 0xff is not UTF-8: save the file as UTF-8"},
		{"a: b\x00", "1:5: control character U+0000: remove it"},
		{"\xff\xfea\x00", "1:1: the file is UTF-16: save it as UTF-8"},
		{"a: 1\r\nb: [x\r\n", "2:4: the list that begins here is not closed: add ]"},
		{strings.Repeat("[", 40), "1:34: more than 32 mappings and lists inside each other: this is no configuration"},
		{strings.Repeat("- ", 40), "1:65: more than 32 mappings and lists inside each other: this is no configuration"},
		{strings.Repeat("x", strictyaml.MaxSize+1), "1:1: the file has 1048577 bytes, more than 1 MiB: it is no configuration, or it must be split"},
	}
	for _, test := range tests {
		d := strictyaml.Parse("f", []byte(test.text), strictyaml.Options{})
		d.Root().Map().Need("missing")
		if err := d.Err(); err == nil || err.Error() != "f:"+test.want {
			t.Errorf("%.40q:\n got %v\nwant f:%s", test.text, err, test.want)
		}
	}
}

// TestLargeFilesAreFast: whatever a large file repeats, the time grows with its size, not with the square of it.
func TestLargeFilesAreFast(t *testing.T) {
	for _, piece := range []string{"[", "{", "]", "- ", "- a\n", "a:\n", "a: 1\n", "a: ", "? ", "'", ":", "|\n", "#\n", "x\n", "[]\n", "---\n", "[a,", "{a: b,"} {
		start := time.Now()
		strictyaml.Parse("f", []byte(strings.Repeat(piece, strictyaml.MaxSize/4/len(piece))), strictyaml.Options{})
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%q repeated took %v", piece, d)
		}
	}
}

func TestProblemsAreSortedAndOnce(t *testing.T) {
	d := strictyaml.Parse("f", []byte("a: 1\nb: x\n"), strictyaml.Options{})
	m := d.Root().Map()
	m.Get("b").Int(0, 0, 9)
	m.Get("b").Int(0, 0, 9)
	m.Done()
	var problems strictyaml.Problems
	if !errors.As(d.Err(), &problems) || len(problems) != 2 || problems[0].Line != 1 || problems[1].Line != 2 {
		t.Errorf("problems: %v", problems)
	}
}
