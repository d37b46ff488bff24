package broker

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/gateway/gatewaytest"
)

var kills = flag.Int("kills", 3, "how often the broker is killed while messages are published")

// kept fills a broker with something of everything that survives.
func fill(t *testing.T, b *running) {
	t.Helper()
	sender := connectFive(t, b, "sender", true)
	sender.publish("kept/a", "old", true)
	sender.publish("kept/a", "new", true, []byte{3}, str("text/plain"))
	sender.publish("kept/b", "removed", true)
	sender.publish("kept/b", "", true)

	reader := connectFive(t, b, "reader", false, expiry(600))
	reader.subscribe([]byte{0x0B, 9}, "in/#", 2|8, "$share/g/shared", 1, "gone", 1)
	reader.send(t, 0xA2, u16(1), []byte{0}, str("gone"))
	reader.expect(t, 11)
	sender.publish("in/1", "taken, not acknowledged", false)
	reader.expect(t, 3)
	sender.send(t, 0x34, str("in/2"), u16(5), []byte{0}, []byte("received, not complete"))
	sender.expect(t, 5)
	m := reader.expect(t, 3).message(5)
	reader.send(t, 0x50, u16(int(m.id)))
	reader.expect(t, 6)
	// A QoS 2 message of its own, not released.
	reader.send(t, 0x34, str("from/reader"), u16(44), []byte{0}, []byte("once"))
	reader.expect(t, 5)
	reader.leave()
	sender.publish("in/3", "while away", true)
	sender.publish("shared", "for the group", false)
	sender.publish("gone", "nobody wants it", false)
	sender.leave()
}

// verify finds everything again, in order.
func verify(t *testing.T, b *running) {
	t.Helper()
	late := connectFive(t, b, "", true)
	late.subscribe(nil, "kept/#", 1)
	if m := late.receive(); m.payload != "new" || !m.retain || !bytes.Equal(m.properties, append([]byte{3}, str("text/plain")...)) {
		t.Errorf("retained: got %+v", m)
	}
	late.nothing()
	c := &five{dial(t, b.address), t}
	if !c.connect(t, connectPacket{version: 5, id: "reader", properties: expiry(600)}) {
		t.Fatal("no session")
	}
	if m := c.receive(); m.payload != "taken, not acknowledged" || !m.dup {
		t.Errorf("got %+v", m)
	}
	if p := c.expect(t, 6); p.id() == 0 {
		t.Errorf("PUBREL %+v", p)
	}
	for i, want := range []string{"while away", "for the group"} {
		if m := c.receive(); m.payload != want || m.dup || m.retain != (i == 0) || !bytes.Equal(m.properties, []byte{0x0B, 9}) {
			t.Errorf("got %+v, want %q", m, want)
		}
	}
	c.nothing()
	watch := connectFive(t, b, "", true)
	watch.subscribe(nil, "from/reader", 0)
	c.send(t, 0x3C, str("from/reader"), u16(44), []byte{0}, []byte("once")) // repeated
	c.expect(t, 5)
	watch.nothing()
	c.send(t, 0x62, u16(44))
	c.expect(t, 7)
	connectFive(t, b, "", true).publish("in/live", "live", false)
	if m := c.receive(); m.payload != "live" {
		t.Errorf("got %+v", m)
	}
}

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	b := run(t, Options{Dir: dir})
	fill(t, b)
	for range 2 { // also after a restart in which nothing happened
		b.stop()
		b = run(t, Options{Dir: dir})
	}
	verify(t, b)
}

func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir)
	fill(t, b.running)
	time.Sleep(4 * storeLag) // the time that is promised
	b.Kill()
	b = start(t, dir)
	verify(t, b.running)
}

// What a publisher has the acknowledgement of is there after a kill, in order and once.
func TestKillWhilePublishing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir)
	first := connectFive(t, b.running, "away", false, expiry(600))
	first.subscribe(nil, "in", 1)
	first.leave()
	next := 0
	acknowledged := map[string]bool{}
	for round := range *kills {
		sender := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{Configure: func(o *paho.ClientOptions) { o.SetConnectionLostHandler(func(paho.Client, error) {}) }})
		var mu sync.Mutex
		var all sync.WaitGroup
		enough := make(chan struct{}, 1)
		for range 500 {
			payload := fmt.Sprint(next)
			next++
			token := sender.Client.Publish("in", 1, false, payload)
			all.Go(func() {
				if token.WaitTimeout(2*time.Second) && token.Error() == nil {
					mu.Lock()
					defer mu.Unlock()
					if acknowledged[payload] = true; len(acknowledged) > 200*(round+1) {
						select {
						case enough <- struct{}{}:
						default:
						}
					}
				}
			})
		}
		select {
		case <-enough:
		case <-time.After(soon):
			t.Fatal("too few acknowledgements")
		}
		b.Kill()
		sender.Disconnect(0)
		all.Wait()
		b = start(t, dir)
	}
	c := connectFive(t, b.running, "away", false, expiry(600))
	last := -1
	for len(acknowledged) > 0 {
		m := c.receive()
		var n int
		if _, err := fmt.Sscan(m.payload, &n); err != nil || n <= last {
			t.Fatalf("got %q after %d", m.payload, last)
		}
		last = n
		delete(acknowledged, m.payload)
	}
}

func TestWillsOverARestart(t *testing.T) {
	for name, end := range map[string]func(process){
		"killed":  func(p process) { time.Sleep(4 * storeLag); p.Kill() }, // the time that is promised
		"stopped": func(p process) { p.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := start(t, dir)
			reader := connectFive(t, b.running, "reader", false, expiry(600))
			reader.subscribe(nil, "status/#", 1)
			reader.leave()
			for _, c := range []connectPacket{{version: 4, clean: true, id: "app", willQoS: 1}, {version: 4, id: "phone", willQoS: 1}} {
				c.will = "status/" + c.id
				dial(t, b.address).connect(t, c)
			}
			c := dial(t, b.address)
			c.connect(t, connectPacket{version: 4, clean: true, id: "leaves", will: "status/leaves"})
			c.send(t, 0xE0)
			_ = c.end()
			end(b)
			b = start(t, dir)
			reader = connectFive(t, b.running, "reader", false, expiry(600))
			got := map[string]bool{reader.receive().topic: true, reader.receive().topic: true}
			if !got["status/app"] || !got["status/phone"] {
				t.Errorf("got the wills %v", got)
			}
			reader.nothing()
		})
	}
}

func TestDelayedWillOverARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := run(t, Options{Dir: dir})
	watch := connectFive(t, b, "watch", false, expiry(600))
	watch.subscribe(nil, "w", 1)
	c := dial(t, b.address)
	will := bytes.Join([][]byte{{5, 0x18}, binary.BigEndian.AppendUint32(nil, 1), str("w"), str("late")}, nil)
	if _, err := c.Write(framed(0x10, str("MQTT"), []byte{5, 4, 0, 30}, []byte{5}, expiry(100), str("late"), will)); err != nil {
		t.Fatal(err)
	}
	c.expect(t, 2)
	begin := time.Now()
	b.stop()
	b = run(t, Options{Dir: dir})
	watch = connectFive(t, b, "watch", false, expiry(600))
	if m := watch.receive(); m.payload != "late" || time.Since(begin) < 900*time.Millisecond {
		t.Errorf("got %+v after %v", m, time.Since(begin))
	}
}

// Sessions and messages expire while no broker runs.
func TestExpiryOverARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := run(t, Options{Dir: dir})
	c := connectFive(t, b, "short", false, expiry(1))
	c.subscribe(nil, "a", 1)
	c.leave()
	c = connectFive(t, b, "long", false, expiry(100))
	c.subscribe(nil, "a", 1)
	c.leave()
	sender := connectFive(t, b, "", true)
	sender.publish("a", "short", true, []byte{2, 0, 0, 0, 1})
	sender.publish("a", "long", false, []byte{2, 0, 0, 0, 100})
	begin := time.Now()
	b.stop()
	until(t, func() bool { return time.Since(begin) > 1200*time.Millisecond })
	b = run(t, Options{Dir: dir})
	if s := b.Stats(); s.Sessions != 1 || s.Retained != 0 {
		t.Errorf("%+v, want one session and nothing retained", s)
	}
	c = connectFive(t, b, "long", false, expiry(100))
	if m := c.receive(); m.payload != "long" || binary.BigEndian.Uint32(m.properties[1:]) > 99 {
		t.Errorf("got %+v", m)
	}
	c.nothing()
}

// A crash can make the broker forget that a QoS 2 message was released. A new message
// of that packet id is taken all the same: a repeated one would say so.
func TestPacketIDThatIsUsedAgainAfterARestart(t *testing.T) {
	dir := t.TempDir()
	b := run(t, Options{Dir: dir})
	c := connectFive(t, b, "phone", false, expiry(600))
	c.send(t, 0x34, str("a"), u16(44), []byte{0}, []byte("old"))
	c.expect(t, 5)
	b.stop()
	b = run(t, Options{Dir: dir})
	watch := connectFive(t, b, "", true)
	watch.subscribe(nil, "a", 0)
	c = connectFive(t, b, "phone", false, expiry(600))
	for _, header := range []byte{0x3C, 0x34, 0x3C} { // repeated, new, repeated
		c.send(t, header, str("a"), u16(44), []byte{0}, []byte("new"))
		c.expect(t, 5)
	}
	if m := watch.receive(); m.payload != "new" {
		t.Errorf("got %+v", m)
	}
	watch.nothing()
}

// A session whose user is gone after a restart keeps nobody from its client id.
func TestUsersThatAreGoneAfterARestart(t *testing.T) {
	dir := t.TempDir()
	b := run(t, Options{Dir: dir, Own: own})
	gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{ID: "phone", Persistent: true}).Subscribe("a", 1)
	gateway := gatewaytest.ClientOptions{ID: own.ClientID, User: own.Username, Password: own.Password, Persistent: true}
	gatewaytest.Client(t, b.tcp, gateway).Subscribe("a", 1)
	b.stop()
	next := own
	next.Password = "of the next process"
	b = run(t, Options{Dir: dir, Own: next, Users: map[string]User{"ann": {Password: "secret", Topics: []string{"#"}}}})
	if n := b.Stats().Sessions; n != 1 {
		t.Errorf("%d sessions, want the gateway's", n)
	}
	ann := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{ID: "phone", User: "ann", Password: "secret"})
	ann.Publish("a", 1, false, "for the gateway")
	gateway.Password = next.Password
	if m := gatewaytest.Client(t, b.tcp, gateway).Resumed.Next(soon); string(m.Payload) != "for the gateway" {
		t.Errorf("got %+v", m)
	}
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func TestUnusableDirectory(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "parent")
	if err := os.WriteFile(parent, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "data")
	var log bytes.Buffer
	b := run(t, Options{Dir: dir, Logger: logTo(&log)})
	fill(t, b)
	b.stop()
	if n := strings.Count(log.String(), "cannot write to the disk"); n != 1 {
		t.Errorf("%d warnings, want one:\n%s", n, log.String())
	}
	if err := os.Remove(parent); err != nil {
		t.Fatal(err)
	}
	b = run(t, Options{Dir: dir})
	fill(t, b)
	b.stop()
	verify(t, run(t, Options{Dir: dir}))
}

func TestFileThatIsRemoved(t *testing.T) {
	dir := t.TempDir()
	b := run(t, Options{Dir: dir})
	until(t, func() bool { _, err := os.Stat(filepath.Join(dir, storeName)); return err == nil })
	if err := os.Remove(filepath.Join(dir, storeName)); err != nil {
		t.Fatal(err)
	}
	fill(t, b)
	b.stop() // begins it anew
	verify(t, run(t, Options{Dir: dir}))
}

func TestTwoBrokersInOneDirectory(t *testing.T) {
	dir := t.TempDir()
	run(t, Options{Dir: dir})
	if b, err := New(Options{Dir: dir}); err == nil {
		t.Error("a second one is accepted")
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = b.Run(ctx)
	}
}

// A full disk holds nobody up, and what did not fit is written when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, childLimit+"=65536")
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("only Linux limits the size of files here")
	}
	c := connectFive(t, b.running, "away", false, expiry(600))
	c.subscribe(nil, "in", 1)
	c.leave()
	sender := connectFive(t, b.running, "", true)
	const messages = 100
	for i := range messages {
		sender.publish("in", fmt.Sprint(i, " ", strings.Repeat("x", 2000)), false)
	}
	b.ErrorLine("cannot write to the disk")
	b.Signal(usr1)
	begin := time.Now()
	for !strings.Contains(b.Stderr(), "writes to the disk again") {
		sender.publish("kept", "x", true)
		if time.Since(begin) > 2*storeRetry {
			t.Fatal("it does not write again")
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Kill()
	b = start(t, dir)
	c = connectFive(t, b.running, "away", false, expiry(600))
	for i := range messages {
		if m := c.receive(); !strings.HasPrefix(m.payload, fmt.Sprint(i, " ")) {
			t.Fatalf("message %d: got %.10q", i, m.payload)
		}
	}
}

// Whatever is damaged, the broker starts, says so, and keeps the file for people to look at.
func TestDamagedFile(t *testing.T) {
	dir := t.TempDir()
	b := run(t, Options{Dir: dir})
	fill(t, b)
	b.stop()
	path := filepath.Join(dir, storeName)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := map[string][]byte{"empty": {}, "text": []byte("hello"), "zeros": make([]byte, 5000), "doubled": append(bytes.Clone(good), good...)}
	for i := 0; i < len(good); i += max(1, len(good)/40) {
		damaged[fmt.Sprint("cut at ", i)] = good[:i]
		flipped := bytes.Clone(good)
		flipped[i] ^= 0x10
		damaged[fmt.Sprint("flipped at ", i)] = flipped
	}
	for name, content := range damaged {
		dir := t.TempDir()
		path := filepath.Join(dir, storeName)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		b := run(t, Options{Dir: dir, Logger: logTo(&log)})
		connectFive(t, b, "", true).publish("a", "x", true)
		b.stop()
		aside, _ := filepath.Glob(path + ".broken-*")
		if told := strings.Contains(log.String(), "set aside"); told != (len(aside) == 1) {
			t.Errorf("%s: %d files are set aside, the log says %s", name, len(aside), log.String())
		}
		if strings.HasPrefix(name, "flipped") && len(aside) == 0 && !strings.Contains(name, "last") {
			if at := strings.TrimPrefix(name, "flipped at "); at == "0" {
				t.Errorf("%s: not noticed", name)
			}
		}
		b = run(t, Options{Dir: dir})
		c := connectFive(t, b, "", true)
		c.subscribe(nil, "a", 1)
		if m := c.receive(); m.payload != "x" {
			t.Errorf("%s: got %+v", name, m)
		}
		b.stop()
	}
}

func TestOnlyAFewBrokenFilesAreKept(t *testing.T) {
	dir := t.TempDir()
	for range 6 {
		if err := os.WriteFile(filepath.Join(dir, storeName), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, Options{Dir: dir}).stop()
	}
	if aside, _ := filepath.Glob(filepath.Join(dir, storeName) + ".broken-*"); len(aside) != keepBroken {
		t.Errorf("%d files are kept", len(aside))
	}
}

// The file does not grow with the time, nor with what has come and gone.
func TestFileStaysSmall(t *testing.T) {
	dir := t.TempDir()
	b := run(t, Options{Dir: dir})
	c := gatewaytest.Client(t, b.tcp, gatewaytest.ClientOptions{})
	payload := strings.Repeat("x", 200<<10)
	for i := range 60 { // 12 MB for one topic
		c.Publish("a", 1, true, fmt.Sprint(i, payload))
		written(b)
	}
	info, err := os.Stat(filepath.Join(dir, storeName))
	if err != nil || info.Size() > 2*compactBytes {
		t.Errorf("%v, %v", info.Size(), err)
	}
}

// written waits until the broker has written what it has.
func written(b *running) { b.hub.store.sync(soon) }

func FuzzRestore(f *testing.F) {
	dir := f.TempDir()
	b := run(f, Options{Dir: dir})
	c := connectFive(f, b, "away", false, expiry(600))
	c.subscribe(nil, "a", 2)
	c.publish("a", "x", true)
	written(b)
	good, _ := os.ReadFile(filepath.Join(dir, storeName))
	b.stop()
	records, _ := readStore(bufioReader(good))
	for key, v := range records {
		f.Add(key, v, "other", []byte{1, 2, 3})
	}
	f.Fuzz(func(t *testing.T, key string, v []byte, other string, w []byte) {
		all := map[string][]byte{}
		for k, v := range records {
			all[k] = v
		}
		if key != "" {
			all[key] = v
		}
		if other != "" {
			all[other] = w
		}
		h := newHub(Options{}, &access{}, slog.New(slog.DiscardHandler))
		h.store = newStore("", slog.New(slog.DiscardHandler))
		h.restore(all)
		for id := range h.sessions {
			h.end(h.sessions[id])
		}
		h.everything()
	})
}

func FuzzReadStore(f *testing.F) {
	f.Add([]byte(storeMagic + "\x00\x00\x00\x00"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		records, _ := readStore(bufioReader(b))
		h := newHub(Options{}, &access{}, slog.New(slog.DiscardHandler))
		h.restore(records)
	})
}
