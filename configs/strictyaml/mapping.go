package strictyaml

import "strings"

// Map is a mapping that knows which of its keys were asked for.
type Map struct {
	node  Node
	index map[string]int
	known []string        // in the order asked for
	asked map[string]bool // the same as a set
}

// Entry is one key of a mapping of names, and its value.
type Entry struct {
	Name  string
	Key   Node // the key as a text, to report what is wrong with the name
	Value Node
}

func newMap(n Node) *Map {
	m := &Map{node: n, index: make(map[string]int, len(n.value.entries)), asked: map[string]bool{}}
	for i, e := range n.value.entries {
		if first, ok := m.index[e.name]; ok {
			m.keyNode(i).Problemf("the key is already on line %d: keep one of the two", n.value.entries[first].at.line)
			continue
		}
		m.index[e.name] = i
	}
	return m
}

// Node returns the mapping itself, to report what concerns several of its keys.
func (m *Map) Node() Node { return m.node }

// Has reports whether the mapping has a key, which is not known by that.
func (m *Map) Has(key string) bool {
	_, ok := m.index[key]
	return ok
}

// Get returns the key's value, absent if the mapping does not have it. The key is known from now on.
func (m *Map) Get(key string) Node {
	if m.asked != nil && !m.asked[key] {
		m.asked[key] = true
		m.known = append(m.known, key)
	}
	i, ok := m.index[key]
	if !ok {
		return Node{doc: m.node.doc, path: &step{parent: m.node.path, key: key}, at: m.node.at}
	}
	return m.child(i)
}

// Need is [Map.Get] for a key that must be there; a missing one is reported at the mapping.
func (m *Map) Need(key string) Node {
	n := m.Get(key)
	if !n.Present() && m.node.Present() {
		n.Problemf("the key is missing: add %s", key)
	}
	return n
}

// Entries returns all keys in the file's order; for mappings whose keys are names.
// All of them are known from now on; a duplicate (reported) is left out.
func (m *Map) Entries() []Entry {
	if m.node.value == nil {
		return nil
	}
	entries := make([]Entry, 0, len(m.index))
	for i, e := range m.node.value.entries {
		if m.index[e.name] != i {
			continue
		}
		m.asked[e.name] = true
		entries = append(entries, Entry{Name: e.name, Key: m.keyNode(i), Value: m.child(i)})
	}
	return entries
}

// Done reports every key that was never asked for, with the key that was probably
// meant, or all that are known.
func (m *Map) Done() {
	if m.node.value == nil {
		return
	}
	for i, e := range m.node.value.entries {
		if m.asked[e.name] || m.index[e.name] != i {
			continue
		}
		if meant := nearest(e.name, m.known); meant != "" {
			m.keyNode(i).Problemf("unknown key: did you mean %s?", meant)
		} else {
			m.keyNode(i).Problemf("unknown key: known are %s", strings.Join(m.known, ", "))
		}
	}
}

func (m *Map) child(i int) Node {
	e := m.node.value.entries[i]
	return Node{doc: m.node.doc, value: e.value, path: &step{parent: m.node.path, key: e.name}, at: e.value.at}
}

func (m *Map) keyNode(i int) Node {
	e := m.node.value.entries[i]
	key := &value{kind: scalar, style: quoted, text: e.name, at: e.at}
	return Node{doc: m.node.doc, value: key, path: &step{parent: m.node.path, key: e.name}, at: e.at}
}
