package trace

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"testing"
	"time"

	"modferry/gateway/bus"
	"modferry/modbus"
)

// packets takes a capture apart: the payloads of its segments, each after its direction.
func packets(t *testing.T, b []byte) (all []string) {
	t.Helper()
	if binary.LittleEndian.Uint32(b) != 0xA1B2C3D4 || binary.LittleEndian.Uint32(b[20:]) != rawIP {
		t.Fatalf("the head is % X", b[:24])
	}
	next := map[byte]uint32{1: 1, 2: 1}
	for b = b[24:]; len(b) > 0; {
		size := int(binary.LittleEndian.Uint32(b[8:]))
		ip := b[16 : 16+size]
		b = b[16+size:]
		from := ip[15]
		if checksum(ip[:ipHeader], 0) != 0 {
			t.Error("the checksum of a header is wrong")
		}
		segment := ip[ipHeader:]
		pseudo := append(append([]byte{}, ip[12:20]...), 0, 6, byte(len(segment)>>8), byte(len(segment)))
		if checksum(segment, ^checksum(pseudo, 0)) != 0 {
			t.Error("the checksum of a segment is wrong")
		}
		if got := binary.BigEndian.Uint32(segment[4:]); got != next[from] {
			t.Errorf("a segment begins at %d, want %d", got, next[from])
		}
		data := segment[tcpHeader:]
		next[from] += uint32(len(data))
		all = append(all, map[byte]string{1: "> ", 2: "< "}[from]+upperHex(data))
	}
	return all
}

func TestCapture(t *testing.T) {
	var file bytes.Buffer
	c, err := NewCapture(&file)
	if err != nil {
		t.Fatal(err)
	}
	read := modbus.ADU{Unit: 5, PDU: modbus.ReadRequest(3, 1, 2)}
	reply := modbus.ADU{Unit: 5, PDU: modbus.PDU{FunctionCode: 3, Data: []byte{4, 0, 1, 0, 2}}}
	for _, f := range []modbus.Framing{modbus.RTU, modbus.ASCII, modbus.TCP} {
		if err := c.Add(Entry{Time: time.Unix(1000, 5000), Framing: f, Request: f.Append(nil, read), Reply: f.Append(nil, reply), Elapsed: time.Millisecond}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Add(Entry{Framing: modbus.RTU, Request: modbus.AppendRTU(nil, read)}); err != nil { // not answered
		t.Fatal(err)
	}
	if err := c.Add(Entry{Framing: modbus.RTU, Request: modbus.AppendRTU(nil, read), Reply: []byte{5, 3, 4, 0xFF}}); err != nil { // broken
		t.Fatal(err)
	}
	want := []string{
		"> 000100000006050300010002", "< 00010000000705030400010002",
		"> 000200000006050300010002", "< 00020000000705030400010002",
		"> 000300000006050300010002", "< 00030000000705030400010002",
		"> 000400000006050300010002",
		"> 000500000006050300010002", "< 050304FF",
	}
	got := packets(t, file.Bytes())
	if len(got) != len(want) {
		t.Fatalf("%q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("packet %d is %s, want %s", i, got[i], want[i])
		}
	}
	if seconds := binary.LittleEndian.Uint32(file.Bytes()[24:]); seconds != 1000 {
		t.Errorf("the first packet is of second %d", seconds)
	}
}

func TestEntryAsJSONAndBack(t *testing.T) {
	e := Entry{
		Number: 7, Time: time.Date(2026, 11, 24, 1, 2, 3, 456000, time.UTC), Elapsed: 12345 * time.Microsecond, Client: "panel", Unit: 9,
		Framing: modbus.ASCII, Request: []byte{1, 2}, Reply: []byte{3}, Outcome: bus.Exception, Exception: 2,
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var back Entry
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || !bytes.Equal(text, again) || back.Framing != e.Framing || back.Outcome != e.Outcome || back.Elapsed != e.Elapsed {
		t.Errorf("%s\n%s, %v", text, again, err)
	}
}
