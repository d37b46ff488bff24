package strictyaml_test

import (
	"testing"

	"modferry/configs/strictyaml"
)

// FuzzParse: whatever the file says, there is no panic, and every problem has a place and words.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"a: 1\nb: [1, {c: d}]\n", "- a\n-\n  - b: 1\n    c:\n- - d\n", "a:\n- b\nc: |\n  x\n", "'a': \"b\"\n", "a: {b: , c: [ ]}\n",
		"---\na: ~\n...\n", "a: 'x\nb: 1", "a: [1,2\nb: 3\n", "a: b: c", "a: 1\r\nb: ${A}$$${\r\n", "a: >-\n x\n\n y\nb: 0x10", "? &a *b !!c\n%d",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := strictyaml.Parse("f", data, strictyaml.Options{Env: environment})
		walk(d.Root())
		problems, _ := d.Err().(strictyaml.Problems)
		for _, p := range problems {
			if p.File != "f" || p.Line < 1 || p.Column < 1 || p.Message == "" {
				t.Errorf("%q: a problem without place or words: %+v", data, p)
			}
		}
	})
}

// walk asks every reader of every node.
func walk(n strictyaml.Node) {
	for _, read := range readers {
		read(n)
	}
	for _, item := range n.ListOrOne() {
		item.Problemf("at %s", item.Shown())
		if n.IsList() {
			walk(item)
		}
	}
	m := n.Map()
	m.Need("a")
	m.Done()
	for _, e := range m.Entries() {
		e.Key.Warnf("%s", e.Key.String(""))
		walk(e.Value)
	}
}
