package message

import "testing"

func TestMayAnswer(t *testing.T) {
	topics := Topics{Prefix: "modferry/w"}
	bus := topics.Bus("line", "", "")
	for _, c := range []struct {
		client, topic string
		want          bool
	}{
		{"ann", "modferry/w/bus/line/response/ann", true},
		{"", "modferry/w/bus/line/response", true},
		{"", "modferry/w/bus/line/response/ann", true},
		{"ann", "modferry/w/replies/1", true},
		{"ann", "modferry/w/apps/panel/7", true},
		{"ann", "modferry/w/bus/line/response/bob", false},
		{"ann", "modferry/w/bus/line/response", false},
		{"ann", "modferry/w/bus/other/response/ann", false},
		{"", "modferry/w/bus/line/response/a/b", false},
		{"", "modferry/w/bus/line/request", false},
		{"", "modferry/w/bus/line/request/ann", false},
		{"", "modferry/w/bus/line/error/ann", false},
		{"", "modferry/w/bus/line/status", false},
		{"", "modferry/w/device/cold-room/temperature", false},
		{"", "modferry/w/device/cold-room/temperature/set", false},
		{"", "modferry/w/status", false},
		{"", "modferry/w/history", false},
		{"", "modferry/w/audit", false},
		{"", "modferry/w", false},
		{"", "modferry/w/", false},
		{"", "modferry/w2/replies", false},
		{"", "apps/panel", false},
		{"", "modferry/w/replies/#", false},
		{"", "modferry/w/replies/+/x", false},
		{"", "modferry/w/two words", false},
		{"", "modferry/w/\x00", false},
		{"", "", false},
	} {
		if got := topics.MayAnswer(bus, c.client, c.topic); got != c.want {
			t.Errorf("client %q may ask for the reply on %q: %t, want %t", c.client, c.topic, got, c.want)
		}
	}
	fixed := topics.Bus("line", "abc", "abc/reply")
	if !topics.MayAnswer(fixed, "", "modferry/w/replies/1") || topics.MayAnswer(fixed, "", "abc") {
		t.Error("a bus with fixed topics: only topics under the prefix are free")
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"apps/#", "apps/panel", true},
		{"apps/#", "apps", true},
		{"apps/#", "appsx", false},
		{"apps/+", "apps/panel", true},
		{"apps/+", "apps/panel/1", false},
		{"apps/+/reply", "apps/panel/reply", true},
		{"apps/+/reply", "apps/panel/other", false},
		{"+/+", "/finance", true},
		{"/+", "/finance", true},
		{"+", "/finance", false},
		{"#", "$SYS/broker", false},
		{"+/broker", "$SYS/broker", false},
		{"$SYS/#", "$SYS/broker", true},
		{"a/b", "a/b", true},
		{"a/b", "a", false},
		{"a/b/#", "a", false},
	} {
		if got := Matches(c.filter, c.topic); got != c.want {
			t.Errorf("filter %q matches %q: %t, want %t", c.filter, c.topic, got, c.want)
		}
	}
}
