package config

import (
	"strings"

	"modferry/configs/strictyaml"
)

// unbuilt are the keys that a configuration may have and this version does not act
// on. They are accepted with a warning. What is built is deleted here.
var unbuilt = []struct {
	path   string // keys from the root; * is any name
	advice string
}{
	{path: "sparkplug", advice: "readings are published as JSON only"},
}

// Unbuilt returns the keys that this version does not act on, as paths with * for any name.
func Unbuilt() []string {
	var paths []string
	for _, u := range unbuilt {
		paths = append(paths, u.path)
	}
	return paths
}

func reportUnbuilt(root strictyaml.Node) {
	for _, u := range unbuilt {
		for _, n := range find(root, strings.Split(u.path, ".")) {
			n.Warnf("is not built in this version and is ignored: %s", u.advice)
		}
	}
}

// find returns the values that are there at the path.
func find(n strictyaml.Node, path []string) []strictyaml.Node {
	if len(path) == 0 {
		return []strictyaml.Node{n}
	}
	if !n.IsMap() {
		return nil
	}
	m := n.Map()
	if path[0] != "*" {
		if child := m.Get(path[0]); child.Present() {
			return find(child, path[1:])
		}
		return nil
	}
	var found []strictyaml.Node
	for _, e := range m.Entries() {
		found = append(found, find(e.Value, path[1:])...)
	}
	return found
}
