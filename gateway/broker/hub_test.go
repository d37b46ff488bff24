package broker

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"modferry/gateway/broker/packet"
)

// TestTreeMatchesLikeFilters compares the tree with the definition of a filter, while
// subscriptions come and go.
func TestTreeMatchesLikeFilters(t *testing.T) {
	level := rapid.SampledFrom([]string{"a", "b", "", "+", "$x"})
	filter := rapid.Custom(func(t *rapid.T) string {
		levels := rapid.SliceOfN(level, 1, 4).Draw(t, "levels")
		if rapid.Bool().Draw(t, "rest") {
			levels = append(levels, "#")
		}
		return strings.Join(levels, "/")
	})
	topic := rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "", "$x"}), 1, 5), func(l []string) string { return strings.Join(l, "/") })
	rapid.Check(t, func(t *rapid.T) {
		var tr tree
		var all []*subscription
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			if len(all) > 0 && rapid.Bool().Draw(t, "remove") {
				i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
				tr.remove(all[i])
				all = slices.Delete(all, i, i+1)
				continue
			}
			s := &subscription{Filter: packet.Filter{Filter: filter.Draw(t, "filter")}, session: newSession("", "")}
			tr.add(s)
			all = append(all, s)
		}
		name := topic.Draw(t, "topic")
		var got, want []string
		tr.match(name, func(n *node) {
			for _, s := range n.subs {
				got = append(got, s.Filter.Filter)
			}
		})
		for _, s := range all {
			if covers(s.Filter.Filter, name) {
				want = append(want, s.Filter.Filter)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%q matches %q, want %q", name, got, want)
		}
		for _, s := range all {
			tr.remove(s)
		}
		if len(tr.root.children) > 0 {
			t.Fatal("the tree is not empty in the end")
		}
	})
}

// driven is a hub without goroutines, and what its clients see.
type driven struct {
	*rapid.T
	h       *hub
	disk    map[string]value
	clients map[string]*client
	toAck   map[string][]answer
}

func newDriven(t *rapid.T) *driven {
	log := slog.New(slog.DiscardHandler)
	h := newHub(Options{Memory: 600_000}, &access{}, log) // three large messages
	h.store = newStore("", log)
	return &driven{T: t, h: h, disk: map[string]value{}, clients: map[string]*client{}, toAck: map[string][]answer{}}
}

func (d *driven) id() string { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(d.T, "client") }

func (d *driven) connect(*rapid.T) {
	id := d.id()
	conn, _ := net.Pipe()
	c := newClient(d.h, conn, &place{door: newDoor(d.h, d.h.log)})
	c.version = 5
	p := &packet.Connect{Version: 5, ClientID: id, Clean: rapid.Bool().Draw(d.T, "clean")}
	var props packet.Properties
	if rapid.Bool().Draw(d.T, "persistent") {
		e := uint32(100)
		props.SessionExpiry = &e
	}
	props.ReceiveMaximum = uint16(rapid.IntRange(0, 3).Draw(d.T, "receive maximum"))
	if rapid.Bool().Draw(d.T, "will") {
		delay := uint32(rapid.IntRange(0, 1).Draw(d.T, "delay") * 50)
		p.Will = &packet.Will{Topic: "t/will", Payload: []byte("will"), QoS: 1, Retain: true, Properties: packet.Properties{WillDelay: delay}}
	}
	if err := d.h.attach(c, p, props); err != nil {
		d.Fatal(err)
	}
	d.clients[id], d.toAck[id] = c, nil
}

// one returns a client that is connected.
func (d *driven) one() *client {
	c := d.clients[d.id()]
	if c == nil || c.session.client != c {
		d.Skip("not connected")
	}
	return c
}

func (d *driven) process(c *client, p []byte) {
	body := p[len(p)-bodyLength(p):]
	_ = c.process(p[0], body)
}

func bodyLength(p []byte) int {
	n, _ := readLength(bytes.NewReader(p[1:]))
	return n
}

func (d *driven) publish(*rapid.T) {
	c := d.one()
	qos := byte(rapid.IntRange(0, 2).Draw(d.T, "QoS"))
	header := 0x30 | qos<<1
	if rapid.Bool().Draw(d.T, "retain") {
		header |= 1
	}
	size := rapid.SampledFrom([]int{0, 1, 5000, 200_000}).Draw(d.T, "size")
	topic := rapid.SampledFrom([]string{"t/1", "t/2", "t/3", "other"}).Draw(d.T, "topic")
	parts := [][]byte{str(topic)}
	if qos > 0 {
		parts = append(parts, u16(rapid.IntRange(1, 4).Draw(d.T, "id")))
	}
	d.process(c, framed(header, append(parts, []byte{0}, make([]byte, size))...))
}

func (d *driven) release(*rapid.T) {
	d.process(d.one(), framed(0x62, u16(rapid.IntRange(1, 4).Draw(d.T, "id"))))
}

func (d *driven) subscribe(*rapid.T) {
	filter := rapid.SampledFrom([]string{"t/#", "t/1", "+/2", "$share/g/t/+", "other"}).Draw(d.T, "filter")
	d.process(d.one(), framed(0x82, u16(1), []byte{0}, str(filter), []byte{byte(rapid.IntRange(0, 2).Draw(d.T, "QoS"))}))
}

func (d *driven) unsubscribe(*rapid.T) {
	filter := rapid.SampledFrom([]string{"t/#", "t/1", "+/2", "$share/g/t/+", "other"}).Draw(d.T, "filter")
	d.process(d.one(), framed(0xA2, u16(1), []byte{0}, str(filter)))
}

// write lets the client get a batch, and remembers what it has to acknowledge.
func (d *driven) write(*rapid.T) {
	c := d.one()
	b, _ := d.h.gatherFor(c, nil)
	if rapid.Bool().Draw(d.T, "written") {
		d.h.written(c, false)
	}
	for all := slices.Concat(b.small, b.head, b.payload); len(all) > 0; {
		n := packetSize(all)
		p := answer{all[0] >> 4, all[0] & 15, all[n-bodyLength(all) : n]}
		all = all[n:]
		switch {
		case p.kind == 3 && p.flags&6 != 0, p.kind == 6:
			d.toAck[c.session.id] = append(d.toAck[c.session.id], p)
		}
	}
}

func (d *driven) acknowledge(*rapid.T) {
	c := d.one()
	waiting := d.toAck[c.session.id]
	if len(waiting) == 0 {
		d.Skip("nothing to acknowledge")
	}
	p := waiting[0]
	d.toAck[c.session.id] = waiting[1:]
	switch {
	case p.kind == 6:
		d.process(c, framed(0x70, u16(int(p.id()))))
	case p.flags&6 == 2:
		d.process(c, framed(0x40, u16(int(p.deliveredID()))))
	default:
		d.process(c, framed(0x50, u16(int(p.deliveredID()))))
	}
}

func (d *driven) leave(*rapid.T) {
	c := d.one()
	if rapid.Bool().Draw(d.T, "in order") {
		d.process(c, framed(0xE0))
	}
	d.h.leave(c, errDisconnected)
}

func (d *driven) later(*rapid.T) {
	d.h.mu.Lock()
	defer d.h.mu.Unlock()
	ahead := time.Duration(rapid.SampledFrom([]int{60, 200}).Draw(d.T, "seconds")) * time.Second
	d.h.expire(time.Now().Add(ahead))
}

// check recounts everything.
func (d *driven) check(*rapid.T) {
	h := d.h
	changes, _ := h.store.take()
	for key, c := range changes {
		if c.gone() {
			delete(d.disk, key)
		} else {
			d.disk[key] = c.value
		}
	}
	refs, kept := map[*message]int{}, map[*message]int{}
	used, subs, wills, connected := 0, 0, 0, 0
	for _, k := range h.retained.byTopic {
		refs[k.message]++
	}
	for id, s := range h.sessions {
		mine := 0
		for _, delivery := range slices.Concat(s.queue.all(), s.fast.all(), slices.Collect(maps.Values(s.inflight))) {
			if delivery.gone {
				d.Fatalf("%s still has what is gone", id)
			}
			used += delivery.cost
			mine += delivery.cost
			if m := delivery.message; m != nil {
				refs[m]++
				mine += m.size
				if delivery.kept {
					kept[m]++
				}
			}
		}
		if mine != s.bytes {
			d.Fatalf("%s has %d bytes, counted are %d", id, mine, s.bytes)
		}
		for _, sub := range s.subs {
			subs += sub.cost
		}
		if s.will != nil {
			refs[s.will.message]++
			wills += s.will.message.size
		}
		if c := s.client; c != nil {
			connected++
			for _, m := range c.writing {
				refs[m]++
			}
			outstanding := 0
			for _, delivery := range s.inflight {
				if delivery.on == c {
					outstanding++
				}
			}
			if outstanding != c.outstanding {
				d.Fatalf("%s has %d outstanding, counted are %d", id, outstanding, c.outstanding)
			}
		}
	}
	for m, n := range refs {
		used += m.size
		if m.refs != n || m.kept != kept[m] {
			d.Fatalf("message %q has %d holders and is %d times on disk, counted are %d and %d", m.topic, n, kept[m], m.refs, m.kept)
		}
	}
	got := []int{h.used, h.subCost, h.willBytes, h.connected}
	if want := []int{used + subs, subs, wills, connected}; !slices.Equal(got, want) {
		d.Fatalf("counted are %v, there are %v", got, want)
	}
	if h.used > h.budget {
		d.Fatalf("%d bytes of %d", h.used, h.budget)
	}
	d.compareDisk()
}

// compareDisk compares what the changes have left on disk with what should be there.
func (d *driven) compareDisk() {
	want := d.h.everything()
	for key, v := range d.disk {
		w, ok := want[key]
		if !ok || w.message != v.message || !bytes.Equal(w.bytes, v.bytes) && key[0] != kindSession && key[0] != kindWill {
			d.Fatalf("on disk is %q: %q, want %q (%v)", key, v.bytes, w.bytes, ok)
		}
	}
	for key := range want {
		if _, ok := d.disk[key]; !ok {
			d.Fatalf("%q is not on disk", key)
		}
	}
}

// TestTheBooksAreRight drives a hub at random. After each step all its sums must be
// right, and the disk must have what a snapshot would have; in the end a restart must
// find the same again, and nothing must be left when all sessions have ended.
func TestTheBooksAreRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDriven(t)
		for range 3 {
			d.connect(t)
		}
		t.Repeat(map[string]func(*rapid.T){
			"connect": d.connect, "publish": d.publish, "publish more": d.publish, "release": d.release, "subscribe": d.subscribe,
			"subscribe more": d.subscribe, "publish most": d.publish, "unsubscribe": d.unsubscribe, "write": d.write, "write more": d.write, "acknowledge": d.acknowledge, "leave": d.leave, "later": d.later, "": d.check,
		})
		d.restart()
		for _, s := range d.h.sessions {
			if s.client != nil {
				d.h.leave(s.client, errDisconnected)
			}
			d.h.end(s)
		}
		for topic := range d.h.retained.byTopic {
			d.h.unretain(topic)
			d.h.dropRetained(topic)
		}
		d.check(t)
		if d.h.used != 0 || len(d.disk) != 0 {
			t.Fatalf("%d bytes and %d records are left", d.h.used, len(d.disk))
		}
	})
}

// restart lets another hub take over what is on disk. The wills of those who are
// connected would be published, so they are taken back first.
func (d *driven) restart() {
	for _, s := range d.h.sessions {
		d.h.dropWill(s)
	}
	d.check(d.T)
	var out bytes.Buffer
	f := frames{w: &out}
	out.WriteString(storeMagic)
	for key, v := range d.disk {
		f.add(key, v)
	}
	if err := f.end(); err != nil {
		d.Fatal(err)
	}
	records, err := readStore(bufioReader(out.Bytes()))
	if err != nil {
		d.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	next := newHub(Options{Memory: 4 << 20}, &access{}, log) // retained messages share nothing any more
	next.store = newStore("", log)
	next.restore(records)
	if got, want := describe(next), describe(d.h); got != want {
		d.Fatalf("after a restart there is\n%s\nwant\n%s", got, want)
	}
}

// describe tells what of a hub survives.
func describe(h *hub) string {
	var lines []string
	for topic, k := range h.retained.byTopic {
		lines = append(lines, fmt.Sprint("retained ", topic, " ", len(k.message.payload), " of ", k.from))
	}
	for id, s := range h.sessions {
		if s.expiry == 0 {
			continue
		}
		lines = append(lines, fmt.Sprint("session ", id, " ", s.expiry))
		for _, sub := range s.subs {
			lines = append(lines, fmt.Sprint("subscription of ", id, " ", sub.Filter, sub.id))
		}
		for n := range s.received {
			lines = append(lines, fmt.Sprint("received by ", id, " ", n))
		}
		all := append(s.unacknowledged(), s.queue.all()...)
		slices.SortFunc(all, func(a, b *delivery) int { return cmp.Compare(a.number, b.number) })
		for _, d := range all {
			what := "released"
			if d.message != nil {
				what = fmt.Sprint(d.message.topic, len(d.message.payload))
			}
			lines = append(lines, fmt.Sprint("delivery to ", id, " ", d.number, d.qos, d.id, d.retain, what))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
