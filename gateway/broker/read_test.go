package broker

import (
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
)

// Who may only read gets what others publish, and publishes nothing: not as a message,
// not as a will.
func TestUserWhoMayOnlyRead(t *testing.T) {
	b := run(t, Options{Users: map[string]User{
		"ann": {Password: "x", Topics: []string{"#"}},
		"eve": {Password: "x", Topics: []string{"mine/#"}, Read: []string{"seen/+"}},
		"joe": {Password: "x", Read: []string{"seen/#"}},
	}})
	ann := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{User: "ann", Password: "x"})
	all := ann.Subscribe("#", 1)
	ann.Publish("seen/kept", 1, true, "for later")
	all.Next(soon)
	for _, user := range []string{"eve", "joe"} {
		reader := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{User: user, Password: "x"})
		seen := reader.Subscribe("seen/+", 1)
		if m := seen.Next(soon); string(m.Payload) != "for later" {
			t.Errorf("%s got %+v, want what is retained", user, m)
		}
		ann.Publish("seen/live", 1, false, "now")
		if m := seen.Next(soon); string(m.Payload) != "now" {
			t.Errorf("%s got %+v", user, m)
		}
		all.Next(soon)
		reader.Publish("seen/forged", 1, true, "by "+user)
		all.Quiet(20 * time.Millisecond)
	}
	eve := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{User: "eve", Password: "x"})
	eve.Publish("mine/a", 1, false, "hers")
	if m := all.Next(soon); m.Topic != "mine/a" {
		t.Errorf("got %+v, want what she may publish", m)
	}
	user, password := "joe", "x"
	c := dial(t, b.Addr().String())
	if _, err := c.Write(connectPacket{version: 4, clean: true, user: &user, password: &password, will: "seen/will"}.bytes()); err != nil {
		t.Fatal(err)
	}
	if ack := c.expect(t, 2); ack.body[1] != 5 {
		t.Errorf("a will where he may only read: CONNACK code %d, want 5", ack.body[1])
	}
}
