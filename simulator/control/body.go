package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"modferry/modbus/register"
)

// checkKeys returns an error for an object that has a key twice: one of its values
// would be ignored. The text is JSON.
func checkKeys(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	var open []*object // those around the present place; nil for a list
	for {
		t, err := d.Token()
		if err != nil {
			return nil // the end
		}
		in := (*object)(nil)
		if len(open) > 0 {
			in = open[len(open)-1]
		}
		switch key, isText := t.(string); {
		case t == json.Delim('}') || t == json.Delim(']'):
			open = open[:len(open)-1]
			continue
		case in != nil && !in.value && isText:
			if in.keys[key] {
				return fmt.Errorf("the body has the key %s twice: keep one of the two", shown(key))
			}
			in.keys[key], in.value = true, true
			continue
		case in != nil:
			in.value = false
		}
		switch t {
		case json.Delim('{'):
			open = append(open, &object{keys: map[string]bool{}})
		case json.Delim('['):
			open = append(open, nil)
		}
	}
}

// object is a JSON object of which some was read.
type object struct {
	keys  map[string]bool
	value bool // the next token is, or begins, the value of a key
}

// checkValues returns an error for an object where a register's value is to be, which
// is what this API answers with.
func checkValues(text []byte, into any) error {
	switch into.(type) {
	case *register.Value:
		if isObject(text) {
			return fmt.Errorf("the body is the value itself, such as 21.5, true or null, and no object")
		}
	case *map[string]register.Value:
		var all map[string]json.RawMessage
		if json.Unmarshal(text, &all) != nil {
			return nil // it is told by who reads it
		}
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if isObject(all[name]) {
				return fmt.Errorf("%s must be the value itself, as in {\"temperature\": 21.5}, and no object", shown(name))
			}
		}
	}
	return nil
}

func isObject(text []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) }
