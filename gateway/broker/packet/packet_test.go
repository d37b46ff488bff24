package packet

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func str(s string) []byte { return appendString(nil, s) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func seconds(n uint32) *uint32 { return &n }

func TestDecode(t *testing.T) {
	for name, c := range map[string]struct {
		version, header byte
		body            []byte
		want            Packet
	}{
		"PUBLISH": {V311, 0x3B, join(str("a/b"), []byte{0, 7}, []byte("x")), Packet{Type: PUBLISH, Dup: true, QoS: 1, Retain: true, ID: 7, Topic: "a/b", Payload: []byte("x")}},
		"PUBLISH of 5": {
			V5, 0x30, join(str("a"), []byte{13, 2, 0, 0, 0, 9, 0x26, 0, 1, 'k', 0, 1, 'v', 0x01, 1}[:15], []byte("x")),
			Packet{},
		},
		"PUBACK":              {V5, 0x40, []byte{0, 3}, Packet{Type: PUBACK, ID: 3}},
		"PUBREC with reason":  {V5, 0x50, []byte{0, 3, 0x97}, Packet{Type: PUBREC, ID: 3, Reason: 0x97}},
		"PUBREL":              {V31, 0x6A, []byte{0, 3}, Packet{Type: PUBREL, ID: 3}},
		"SUBSCRIBE":           {V311, 0x82, join([]byte{0, 3}, str("a"), []byte{1}), Packet{Type: SUBSCRIBE, ID: 3, Filters: []Filter{{Filter: "a", QoS: 1}}}},
		"SUBSCRIBE of 5":      {V5, 0x82, join([]byte{0, 3, 2, 0x0B, 5}, str("a"), []byte{0x2E}), Packet{Type: SUBSCRIBE, ID: 3, Properties: Properties{SubscriptionID: 5}, Filters: []Filter{{"a", 2, true, true, 2}}}},
		"UNSUBSCRIBE":         {V5, 0xA2, join([]byte{0, 3, 0}, str("a")), Packet{Type: UNSUBSCRIBE, ID: 3, Filters: []Filter{{Filter: "a"}}}},
		"PINGREQ":             {V5, 0xC0, nil, Packet{Type: PINGREQ}},
		"DISCONNECT":          {V5, 0xE0, []byte{4, 5, 0x11, 0, 0, 0, 8}, Packet{Type: DISCONNECT, Reason: 4, Properties: Properties{SessionExpiry: seconds(8)}}},
		"DISCONNECT of 3.1.1": {V311, 0xE0, nil, Packet{Type: DISCONNECT}},
		"CONNECT": {V5, 0x10, join(str("MQTT"), []byte{5, 0xEE, 0, 9, 3, 0x21, 0, 4}, str("id"), []byte{5, 0x18, 0, 0, 0, 6}, str("w"), str("gone"), str("ann"), str("pw")), Packet{
			Type: CONNECT, Properties: Properties{ReceiveMaximum: 4},
			Connect: &Connect{Version: 5, Clean: true, KeepAlive: 9, ClientID: "id", Username: "ann", Password: []byte("pw"), Will: &Will{Topic: "w", Payload: []byte("gone"), QoS: 1, Retain: true, Properties: Properties{WillDelay: 6}}},
		}},
	} {
		if name == "PUBLISH of 5" {
			forward := []byte{0x26, 0, 1, 'k', 0, 1, 'v', 1, 1}
			c.body = join(str("a"), []byte{14, 2, 0, 0, 0, 9}, forward, []byte("x"))
			c.want = Packet{Type: PUBLISH, Topic: "a", Payload: []byte("x"), Properties: Properties{MessageExpiry: seconds(9), Forward: forward}}
		}
		got, err := Decode(c.version, c.header, c.body)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v (%v)\nwant %+v", name, got, err, c.want)
		}
	}
}

func TestWhatIsMalformed(t *testing.T) {
	for name, c := range map[string]struct {
		version, header byte
		body            []byte
		code            byte
	}{
		"reserved bits":            {V311, 0x80, join([]byte{0, 1}, str("a"), []byte{0}), MalformedPacket},
		"a server's packet":        {V311, 0x20, []byte{0, 0}, ProtocolError},
		"type 0":                   {V311, 0x00, nil, ProtocolError},
		"QoS 3":                    {V311, 0x36, join(str("a"), []byte{0, 1}), MalformedPacket},
		"no packet id":             {V311, 0x32, str("a"), MalformedPacket},
		"packet id 0":              {V311, 0x32, join(str("a"), []byte{0, 0}), ProtocolError},
		"wildcard":                 {V311, 0x30, str("a/#"), BadTopic},
		"empty topic":              {V311, 0x30, str(""), BadTopic},
		"topic with a zero":        {V311, 0x30, str("a\x00"), MalformedPacket},
		"topic not UTF-8":          {V311, 0x30, str("a\xff"), MalformedPacket},
		"no filter":                {V311, 0x82, []byte{0, 1}, ProtocolError},
		"no options":               {V5, 0x82, join([]byte{0, 1, 0}, str("a")), MalformedPacket},
		"options of 5 in 3.1.1":    {V311, 0x82, join([]byte{0, 1}, str("a"), []byte{4}), MalformedPacket},
		"retain handling 3":        {V5, 0x82, join([]byte{0, 1, 0}, str("a"), []byte{0x30}), MalformedPacket},
		"subscription id 0":        {V5, 0x82, join([]byte{0, 1, 2, 0x0B, 0}, str("a"), []byte{0}), ProtocolError},
		"unknown property":         {V5, 0x30, join(str("a"), []byte{2, 0x7F, 0}), ProtocolError},
		"property out of place":    {V5, 0x30, join(str("a"), []byte{3, 0x21, 0, 1}), ProtocolError},
		"doubled property":         {V5, 0x30, join(str("a"), []byte{4, 1, 1, 1, 1}), ProtocolError},
		"property beyond its list": {V5, 0x30, join(str("a"), []byte{2, 2, 0, 0, 0, 9}), MalformedPacket},
		"list beyond the end":      {V5, 0x30, join(str("a"), []byte{50, 1}), MalformedPacket},
		"flag of 2":                {V5, 0x30, join(str("a"), []byte{2, 1, 2}), ProtocolError},
		"response topic +":         {V5, 0x30, join(str("a"), []byte{4, 8, 0, 1, '+'}), ProtocolError},
		"receive maximum 0":        {V5, 0x10, join(str("MQTT"), []byte{5, 2, 0, 0, 3, 0x21, 0, 0}, str("")), ProtocolError},
		"length of five bytes":     {V5, 0x30, join(str("a"), []byte{0xFF, 0xFF, 0xFF, 0xFF, 1}), MalformedPacket},
		"bytes after the end":      {V311, 0xC0, []byte{0}, MalformedPacket},
		"AUTH in 3.1.1":            {V311, 0xF0, nil, ProtocolError},
		"version 9":                {0, 0x10, join(str("MQTT"), []byte{9, 2, 0, 0}, str("")), UnsupportedVersion},
		"MQTT version 3":           {0, 0x10, join(str("MQTT"), []byte{3, 2, 0, 0}, str("")), UnsupportedVersion},
		"another protocol":         {0, 0x10, join(str("HTTP"), []byte{4, 2, 0, 0}, str("")), UnsupportedVersion},
		"reserved connect flag":    {0, 0x10, join(str("MQTT"), []byte{4, 3, 0, 0}, str("")), MalformedPacket},
		"will QoS without will":    {0, 0x10, join(str("MQTT"), []byte{4, 0x0A, 0, 0}, str("")), MalformedPacket},
		"will QoS 3":               {0, 0x10, join(str("MQTT"), []byte{4, 0x1E, 0, 0}, str(""), str("w"), str("")), MalformedPacket},
		"too many filters":         {V311, 0x82, join([]byte{0, 1}, bytes.Repeat([]byte{0, 1, 'a', 0}, maxFilters+1)), QuotaExceeded},
	} {
		_, err := Decode(c.version, c.header, c.body)
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.Code != c.code {
			t.Errorf("%s: got %v, want reason 0x%02X", name, err, c.code)
		}
	}
}

// FuzzDecode also checks that what is decoded and written again is the same message.
func FuzzDecode(f *testing.F) {
	f.Add(byte(5), byte(0x33), join(str("a/b"), []byte{0, 7, 9, 0x26, 0, 1, 'k', 0, 1, 'v', 0x01, 1}, []byte("x")))
	f.Add(byte(4), byte(0x82), join([]byte{0, 3}, str("a"), []byte{1}))
	f.Add(byte(5), byte(0x10), join(str("MQTT"), []byte{5, 0xEE, 0, 9, 3, 0x21, 0, 4}, str("id"), []byte{5, 0x18, 0, 0, 0, 6}, str("w"), str("gone"), str("ann"), str("pw")))
	f.Fuzz(func(t *testing.T, version, header byte, body []byte) {
		version = 3 + version%3
		before := bytes.Clone(body)
		p, err := Decode(version, header, body)
		if !bytes.Equal(before, body) {
			t.Fatal("the packet itself was changed")
		}
		var wrong *Error
		if err != nil {
			if !errors.As(err, &wrong) {
				t.Fatalf("%v is no *Error", err)
			}
			return
		}
		if p.Type != PUBLISH || p.Properties.TopicAlias {
			return
		}
		out := Publish{Dup: p.Dup, Retain: p.Retain, QoS: p.QoS, ID: p.ID, Topic: p.Topic, Payload: p.Payload, Forward: p.Properties.Forward}
		if e := p.Properties.MessageExpiry; e != nil {
			out.Expiry = *e
		}
		packet := append(out.AppendHead(nil, version), p.Payload...)
		if len(packet) != out.Size(version) {
			t.Fatalf("the size is %d, want %d", out.Size(version), len(packet))
		}
		r := reader{rest: packet[1:]}
		if n := int(r.varint()); n != len(r.rest) {
			t.Fatalf("the length is %d, want %d", n, len(r.rest))
		}
		again, err := Decode(version, packet[0], r.rest)
		if err != nil || again.Topic != p.Topic || !bytes.Equal(again.Payload, p.Payload) || !bytes.Equal(again.Properties.Forward, p.Properties.Forward) {
			t.Fatalf("got %+v (%v), want %+v", again, err, p)
		}
	})
}

func TestEncode(t *testing.T) {
	for name, c := range map[string]struct{ got, want []byte }{
		"CONNACK":        {Connack{SessionPresent: true}.Append(nil, V311), []byte{0x20, 2, 1, 0}},
		"CONNACK of 3.1": {Connack{SessionPresent: true}.Append(nil, V31), []byte{0x20, 2, 0, 0}},
		"CONNACK of 5": {
			Connack{Reason: ServerBusy, SessionExpiry: seconds(9), ReceiveMaximum: 4, MaximumPacket: 300, ClientID: "x", Text: "no"}.Append(nil, V5),
			join([]byte{0x20, 25, 0, 0x89, 22, 0x11, 0, 0, 0, 9, 0x21, 0, 4, 0x27, 0, 0, 1, 44, 0x12, 0, 1, 'x', 0x1F, 0, 2}, []byte("no")),
		},
		"SUBACK":       {AppendSuback(nil, V311, 3, []byte{1, 0x87}), []byte{0x90, 4, 0, 3, 1, 0x80}},
		"SUBACK of 5":  {AppendSuback(nil, V5, 3, []byte{1, 0x87}), []byte{0x90, 5, 0, 3, 0, 1, 0x87}},
		"UNSUBACK":     {AppendUnsuback(nil, V311, 3, []byte{0}), []byte{0xB0, 2, 0, 3}},
		"PUBREL":       {AppendAck(nil, V311, PUBREL, 3, IDNotFound), []byte{0x62, 2, 0, 3}},
		"PUBREC of 5":  {AppendAck(nil, V5, PUBREC, 3, NotAuthorized), []byte{0x50, 3, 0, 3, 0x87}},
		"DISCONNECT":   {AppendDisconnect(nil, V5, ServerShuttingDown), []byte{0xE0, 2, 0x8B, 0}},
		"none for 3.1": {AppendDisconnect(nil, V311, ServerShuttingDown), nil},
		"PINGRESP":     {AppendPingresp(nil), []byte{0xD0, 0}},
	} {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("%s: got % x, want % x", name, c.got, c.want)
		}
	}
	for reason, want := range map[byte]byte{Success: 0, UnsupportedVersion: 1, BadClientID: 2, ServerBusy: 3, NotAuthorized: 5, BadCredentials: 5} {
		if got := (Connack{Reason: reason}).Append(nil, V311)[3]; got != want {
			t.Errorf("reason 0x%02X is %d in 3.1.1, want %d", reason, got, want)
		}
	}
	large := Publish{Topic: strings.Repeat("t", 200), QoS: 2, ID: 1, Expiry: 1, SubscriptionIDs: []uint32{1, 200, 70000}, Forward: []byte{1, 1}}
	if head := large.AppendHead(nil, V5); len(head) != large.Size(V5) {
		t.Errorf("%d bytes, the size says %d", len(head), large.Size(V5))
	}
}
