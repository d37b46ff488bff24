package gateway

import (
	"strings"
	"testing"
)

// The file tells what to clear, so nothing else may be in it.
func TestOnlyTopicsOfBusesAndDevicesAreCleared(t *testing.T) {
	for text, ok := range map[string]bool{
		`{}`: true,
		`{"modferry/w":["bus/b/status","device/d","device/d/status","device/d/t"]}`: true,
		`{"modferry/w":null}`:                  true,
		`null`:                                 false,
		`[]`:                                   false,
		`{"modferry/w":["bus/b"]}`:             false,
		`{"modferry/w":["bus/b/request"]}`:     false,
		`{"modferry/w":["device/d/t/set"]}`:    false,
		`{"modferry/w":["status"]}`:            false,
		`{"modferry/w":["device/+/status"]}`:   false,
		`{"modferry/w":["device//status"]}`:    false,
		`{"modferry/#":["device/d/status"]}`:   false,
		`{"$SYS":["device/d/status"]}`:         false,
		"{" + prefixes(maxPrefixes+1) + "}":    false,
		`{"modferry/w":["device/d/status"]`:    false,
		`{"modferry/w":["device/d/status"]} x`: false,
	} {
		if _, err := parseLeftovers([]byte(text)); (err == nil) != ok {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

func prefixes(n int) string {
	var all []string
	for i := range n {
		all = append(all, `"p`+string(rune('a'+i))+`":[]`)
	}
	return strings.Join(all, ",")
}

func FuzzLeftovers(f *testing.F) {
	f.Add(`{"modferry/w":["bus/b/status","device/d/t"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		found, err := parseLeftovers([]byte(text))
		for prefix, topics := range found {
			for _, topic := range topics {
				if err == nil && (!isStateTopic(topic) || strings.ContainsAny(prefix, "+#")) {
					t.Errorf("%q is to be cleared", prefix+"/"+topic)
				}
			}
		}
	})
}
