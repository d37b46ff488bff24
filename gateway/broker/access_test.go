package broker

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		allowed, filter string
		want            bool
	}{
		{"allowed", "allowed", true},
		{"allowed", "allowed/secret", false},
		{"allowed/", "allowed", false},
		{"allowed/secret", "allowed", false},
		{"a/+", "a/b", true},
		{"a/+", "a/+", true},
		{"a/+", "a/#", false},
		{"a/+", "a", false},
		{"a/+", "a/b/c", false},
		{"a/+/c", "a/b/c", true},
		{"a/+/c", "a/+/d", false},
		{"a/b", "a/+", false},
		{"a/#", "a", true},
		{"a/#", "a/#", true},
		{"a/#", "a/+/c/#", true},
		{"a/#", "ab", false},
		{"a/#", "#", false},
		{"a/#", "+/b", false},
		{"a/b/#", "a/+", false},
		{"+/b", "a/b", true},
		{"+/b", "+/b", true},
		{"+", "#", false},
		{"+/#", "#", false},
		{"#", "#", true},
		{"#", "a/b/c", true},
		{"#", "", true},
		{"#", "$SYS/#", false},
		{"+/broker", "$SYS/broker", false},
		{"$SYS/#", "$SYS/broker/uptime", true},
		{"$SYS/#", "#", false},
		{"a//b", "a//b", true},
		{"a/+/b", "a//b", true},
	} {
		if got := covers(c.allowed, c.filter); got != c.want {
			t.Errorf("covers(%q, %q) = %v", c.allowed, c.filter, got)
		}
	}
}

// TestCoversMeansEveryTopic checks covers against its definition.
func TestCoversMeansEveryTopic(t *testing.T) {
	level := rapid.SampledFrom([]string{"a", "b", "", "+"})
	filter := rapid.Custom(func(t *rapid.T) string {
		levels := rapid.SliceOfN(level, 1, 3).Draw(t, "levels")
		if rapid.Bool().Draw(t, "rest") {
			levels = append(levels, "#")
		}
		return strings.Join(levels, "/")
	})
	var topics []string
	for _, a := range []string{"a", "b", "", "other"} {
		topics = append(topics, a)
		for _, b := range []string{"a", "b", "", "other"} {
			topics = append(topics, a+"/"+b)
			for _, c := range []string{"a", "b", "", "other"} {
				topics = append(topics, a+"/"+b+"/"+c, a+"/"+b+"/"+c+"/deeper", a+"/"+b+"/"+c+"/deeper/still")
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		allowed, wanted := filter.Draw(t, "allowed"), filter.Draw(t, "filter")
		all := true
		for _, topic := range topics {
			all = all && (!covers(wanted, topic) || covers(allowed, topic))
		}
		if got := covers(allowed, wanted); got != all {
			t.Fatalf("covers(%q, %q) = %v, but topic by topic it is %v", allowed, wanted, got, all)
		}
	})
}

func TestUserStaysWithinItsTopics(t *testing.T) {
	password := "secret"
	user := "ann"
	b := run(t, Options{Users: map[string]User{user: {Password: password, Topics: []string{"allowed", "mine/#", "seen/+/value"}}}})
	for _, version := range []byte{4, 5} {
		c := dial(t, b.Addr().String())
		c.connect(t, connectPacket{version: version, clean: true, user: &user, password: &password})
		properties := []byte{}
		if version == 5 {
			properties = []byte{0}
		}
		for filter, granted := range map[string]bool{
			"allowed": true, "allowed/secret": false, "allowed/#": false, "mine/#": true, "mine": true, "#": false, "+": false,
			"seen/a/value": true, "seen/+/value": true, "seen/#": false, "$SYS/#": false,
			"$share/group/mine/a": true, "$share/group/other": false, "$SHARE/group/other": false,
		} {
			c.send(t, 0x82, u16(7), properties, str(filter), []byte{2})
			ack := c.expect(t, 9)
			if code := ack.body[len(ack.body)-1]; (code <= 2) != granted {
				t.Errorf("version %d, filter %q: SUBACK code 0x%02x, granted should be %v", version, filter, code, granted)
			}
		}
	}
}

func TestWillStaysWithinItsTopics(t *testing.T) {
	password := "secret"
	user := "ann"
	b := run(t, Options{Users: map[string]User{user: {Password: password, Topics: []string{"mine/#"}}}})
	for will, want := range map[string]byte{"mine/a": 0, "other": 5, "mine/+": 5, "$SYS/x": 5} {
		c := dial(t, b.Addr().String())
		if _, err := c.Write(connectPacket{version: 4, clean: true, user: &user, password: &password, will: will}.bytes()); err != nil {
			t.Fatal(err)
		}
		if ack := c.expect(t, 2); ack.body[1] != want {
			t.Errorf("will on %q: CONNACK code %d, want %d", will, ack.body[1], want)
		}
	}
}

func TestTopicAliasIsNoWayAround(t *testing.T) {
	password := "secret"
	user := "ann"
	b := run(t, Options{Users: map[string]User{user: {Password: password, Topics: []string{"mine/#"}}}})
	c := dial(t, b.Addr().String())
	c.connect(t, connectPacket{version: 5, clean: true, user: &user, password: &password})
	c.send(t, 0x30, str("other"), []byte{3, 0x23, 0, 1}, []byte("x"))
	if pk := c.expect(t, 14); pk.body[0] != 0x94 {
		t.Errorf("DISCONNECT with reason 0x%02x, want 0x94 (topic alias invalid)", pk.body[0])
	}
}
