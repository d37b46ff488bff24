package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
)

// dripping is a device on a pseudo terminal that takes registers (function 16) and
// answers a few bytes at a time. After a number of bytes on the line, in either
// direction, it raises the alarm: that is the middle of a frame, or between two.
type dripping struct {
	t    *testing.T
	line *os.File

	mu      sync.Mutex
	left    int      // bytes until the alarm
	alarm   func()   // nil = it was raised
	rest    []byte   // what has come of the next frame
	written []uint16 // first value of each frame that was answered in full
}

// frame is how long a request is: unit, function, address, quantity, byte count, values, CRC.
const registers = 100
const frameSize = 7 + 2*registers + 2

func (d *dripping) count(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left -= n; d.left <= 0 && d.alarm != nil {
		d.alarm()
		d.alarm = nil
	}
}

func (d *dripping) run() {
	buffer := make([]byte, 32)
	for {
		n, err := d.line.Read(buffer)
		if err != nil {
			return
		}
		d.count(n)
		d.mu.Lock()
		d.rest = append(d.rest, buffer[:n]...)
		var frame []byte
		if len(d.rest) >= frameSize {
			frame, d.rest = d.rest[:frameSize], d.rest[frameSize:]
		}
		d.mu.Unlock()
		if frame != nil {
			d.answer(frame)
		}
	}
}

func (d *dripping) answer(frame []byte) {
	request, err := modbus.ParseRTU(frame)
	if err != nil || request.Unit != 1 {
		d.t.Errorf("on the line came % X: %v", frame, err)
		return
	}
	reply := modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: modbus.PDU{FunctionCode: 16, Data: frame[2:6]}})
	for _, b := range reply {
		d.count(1)
		time.Sleep(time.Millisecond) // as at 9600 baud
		if _, err := d.line.Write([]byte{b}); err != nil {
			d.t.Errorf("the line is gone: %v", err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.written = append(d.written, binary.BigEndian.Uint16(frame[7:]))
}

// arm has the alarm raised after n bytes.
func (d *dripping) arm(n int, alarm func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left, d.alarm, d.written = n, alarm, nil
}

// seen returns what was written since, and what came of a frame that is not whole.
func (d *dripping) seen() (written []uint16, rest int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.written, len(d.rest)
}

// Row 29 of the known failures: SIGTERM in the middle of a frame. The frame is
// finished, its reply is published, the gateway says offline and ends.
func TestRow29SIGTERMInTheMiddleOfAFrame(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	ours, theirs := gatewaytest.PTYPair(t)
	line, err := os.OpenFile(theirs, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	device := &dripping{t: t, line: line}
	var running sync.WaitGroup
	running.Go(device.run)
	t.Cleanup(func() { line.Close(); running.Wait() })

	app := gatewaytest.Client(t, broker.URL(), gatewaytest.ClientOptions{})
	said := app.Subscribe("modferry/shed/#", 1)
	yaml := fmt.Sprintf("gateway: shed\ndata_dir: %q\nmqtt: {url: \"mqtt://%s\"}\nbuses: {b: {serial: %q, timeout: 2s, allow: [{}]}}\n", t.TempDir(), broker.Addr, ours)
	value := 0
	for round := range rounds {
		p := gatewayAt(t, app, yaml)
		after := 1 + rand.IntN(4*(frameSize+8))
		device.arm(after, func() { p.Signal(syscall.SIGTERM) })
		began := time.Now()
		var ids []int
		for range 6 { // more than there is time for
			value++
			ids = append(ids, value)
			app.Publish("modferry/shed/bus/b/request/me", 1, false, writeRequest(value))
		}
		if code := p.Wait(patience); code != exitGood {
			t.Errorf("round %d: exit code %d", round, code)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("round %d: it took %s to end", round, took)
		}
		written, rest := device.seen()
		if rest > 0 {
			t.Errorf("round %d, SIGTERM after %d bytes: %d bytes of a frame that is not whole", round, after, rest)
		}
		expectReplies(t, said, ids, written)
		expectRetained(t, broker.URL(), "modferry/shed/status", "offline")
	}
}

func writeRequest(value int) string {
	values := strings.Repeat(fmt.Sprintf(",%d", value), registers)[1:]
	return fmt.Sprintf(`{"id":%d,"unit":1,"function":16,"address":0,"values":[%s]}`, value, values)
}

// expectReplies: every write that the device made was reported as done. What had not
// begun may be refused, or wait at the broker, but is not reported as done.
func expectReplies(t *testing.T, in *gatewaytest.Inbox, ids []int, written []uint16) {
	t.Helper()
	done := map[int]bool{}
	for {
		var reply struct {
			ID      int
			OK      bool
			Outcome string
		}
		m := in.Next(patience)
		if string(m.Payload) == "offline" && !m.Retained { // the last word of a gateway
			break
		}
		if m.Topic != "modferry/shed/bus/b/response/me" {
			continue
		}
		if err := json.Unmarshal(m.Payload, &reply); err != nil {
			t.Fatalf("%s: %v", m.Payload, err)
		}
		done[reply.ID] = reply.OK
		if !reply.OK && reply.Outcome == "unknown" {
			t.Errorf("a write has an unknown outcome: %s", m.Payload)
		}
	}
	for _, id := range written {
		if !done[int(id)] {
			t.Errorf("write %d was made and not reported: %v", id, done)
		}
		delete(done, int(id))
	}
	for id, ok := range done {
		if ok {
			t.Errorf("write %d of %d was not made and is reported as done", id, ids)
		}
	}
}

// expectRetained asks as somebody who comes later.
func expectRetained(t *testing.T, url, topic, want string) {
	t.Helper()
	later := gatewaytest.Client(t, url, gatewaytest.ClientOptions{})
	defer later.Close()
	if m := later.Subscribe(topic, 1).Next(patience); string(m.Payload) != want || !m.Retained {
		t.Errorf("%s is %q, retained %t, want %q", topic, m.Payload, m.Retained, want)
	}
}
