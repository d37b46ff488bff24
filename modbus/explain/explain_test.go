package explain_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"modferry/modbus"
	"modferry/modbus/explain"
	"modferry/modbus/modbustest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// inputs are explained one by one in the golden files.
var inputs = []string{
	// Good ones.
	"010400010002200B", "01 04 04 01 31 02 22 2a ce", "01830AC137", "018402C2C1", "010600010003980B", "010500ACFF004C1B", "1101001300138E92",
	"110103CD6B054012", "010402FF38F912", "010F0013000A02CD0172CB", "010F0013000A2409", "01100001000204000A01029230", "0110000100021008",
	"0116000400F2002567EE", "011700030006000E00030600FF00FF00FF4691", "01080000A537DA8D", "11074C22", "11076DE218", "110BFFFF0108A6E9",
	"110C0800000108012120005901", "111103AAFF015F0D", "11140E0600040001000206000300090002F938", "11140C05060DFE0020050633CD004069AD",
	"11150D0600040007000306AF04BE100DDBC7", "111804DE0787", "11180006000201B81284188D", "012B0E01007077",
	"012B0E0101000003000441636D6501055844303032020456312E30FD02", "0541010203EC9D", "00060001000399DA",
	":010400010002F8\r\n", ":01840279", "150100000006FF0300040001", "1501000000030184" + "02", "010400010002", "0x01,0x83,0x02",

	// Digits that are no bytes.
	"", "01", "01040001000", "1 4 0 1 0 2", "hello", ":01040001000", ":01FF",

	// Broken frames.
	"010400010002200C", "0104000100020B20", "01040001000220", "0104000100", "010400010002200BFF", "FF00010400010002200B", "010400010002200B010400010002200B",
	"0104020222D1BA", "0104040131022A", "01100001000204000A01", "01100001000203000A010227F0", "01100001000206000A0102" + "9230",
	"01830AC138", ":010400010002F9\r\n", "150100010006FF0300040001", "150100000006FF03000400", "150100000005FF0300040001", "FA04000100023580", "0100800080", "055A010203", "055A010203FFFF",

	// Frames that no device takes.
	"0101000007D1FE66", "01030000007EC5EA", "01030000000045CA", "0103FFFF0002C42F", "0105000000010C0A", "0110FFFF00020400010002295E", "012B0E050072B7",
}

func TestGolden(t *testing.T) {
	var text, facts bytes.Buffer
	for _, input := range inputs {
		e := explain.Frame([]byte(input))
		fmt.Fprintf(&text, "==== %q\n%s\n", input, e)
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&facts, "%s\n", raw)
	}
	for _, pair := range [][2]string{
		{"010400010002200B", "010404013102222ACE"}, {"1101001300138E92", "110103CD6B054012"}, {"11140E0600040001000206000300090002F938", "11140C05060DFE0020050633CD004069AD"},
		{"010400010002200B", "018402C2C1"}, {"010400010002200B", "01040201317974"}, {"010400010002200B", "020404013102221" + "9CE"}, {"010600010003980B", "010600010004D9C9"},
		{"150100000006FF0300040001", "150200000005FF03020005"}, {"01080000A53712349672", "01080000A53712349672"}, {"hello", "01040201317974"},
	} {
		fmt.Fprintf(&text, "==== %q answers %q\n%s\n", pair[1], pair[0], explain.Reply([]byte(pair[0]), []byte(pair[1])))
	}
	golden(t, "text.golden", text.Bytes())
	golden(t, "json.golden", facts.Bytes())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		var g, w string
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Fatalf("%s line %d:\n got %s\nwant %s\n(after a wanted change: go test -update, and read the difference)", name, i+1, g, w)
		}
	}
}

// Whole frames of the table are recognised as what they are, and nothing is wrong with them.
func TestTheTableIsUnderstood(t *testing.T) {
	for _, c := range modbustest.Cases() {
		if c.Fault != "" || strings.Contains(c.Name, "loopback of two words") {
			continue
		}
		e := explain.Frame([]byte(c.Text))
		kinds := []explain.Kind{explain.Request, explain.Either}
		if c.IsReply() {
			kinds = []explain.Kind{explain.Answer, explain.Exception, explain.Either}
		}
		ambiguous := c.Name == "TCP report server id" // eight bytes are a damaged RTU frame as well
		if !e.Good() || e.Framing != c.Framing.String() || !slices.Contains(kinds, e.Kind) || *e.Unit != c.ADU.Unit {
			if !ambiguous {
				t.Errorf("%s (%s) is explained as\n%s", c.Name, c.Text, e)
			}
		}
		if c.Reply == "" || ambiguous {
			continue
		}
		answer := explain.Reply(c.Bytes(), modbustest.Named(c.Reply).Bytes())
		if !answer.Good() || answer.Kind != explain.Answer {
			t.Errorf("%s: its reply is explained as\n%s", c.Name, answer)
		}
	}
}

func TestBrokenFramesAreCalledBroken(t *testing.T) {
	for _, c := range modbustest.Cases() {
		if c.Fault == "" || c.Name == "RTU without its CRC" {
			continue
		}
		if e := explain.Frame([]byte(c.Text)); e.Good() {
			t.Errorf("%s (%s) is explained as good:\n%s", c.Name, c.Text, e)
		}
	}
}

func TestValuesStandNextToTheirAddresses(t *testing.T) {
	e := explain.Reply([]byte("010300010002"), []byte("0103040131FF33"))
	if len(e.Values) != 2 || *e.Values[1].Address != 2 || *e.Values[1].Uint16 != 65331 || *e.Values[1].Int16 != -205 || e.Values[1].Hex != "FF33" {
		t.Errorf("values are %+v", e.Values)
	}
	bits := explain.Reply([]byte("110100130013"), []byte("110103CD6B05"))
	if len(bits.Values) != 19 || *bits.Values[18].Address != 37 || !*bits.Values[18].Bit || *bits.Values[17].Bit {
		t.Errorf("%d bits", len(bits.Values))
	}
	if alone := explain.Frame([]byte("0103040131FF33")); alone.Values[0].Address != nil {
		t.Errorf("an address without a request: %d", *alone.Values[0].Address)
	}
}

// check holds an explanation to what every explanation promises.
func check(t *testing.T, e explain.Explanation) {
	t.Helper()
	if e.Kind == "" || e.Summary == "" {
		t.Fatalf("nothing is said: %+v", e)
	}
	text := e.String()
	if !strings.HasSuffix(text, "\n") {
		t.Fatalf("the text does not end with a newline: %q", text)
	}
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Fatalf("a line has %d columns: %s", n, line)
		}
	}
	if _, err := json.Marshal(e); err != nil {
		t.Fatal(err)
	}
	var fields []string
	for _, f := range e.Fields {
		if f.Name == "" {
			t.Fatalf("a field without name: %+v", f)
		}
		if f.Name != "start" && f.Name != "end" {
			if e.Framing != modbus.ASCII.String() && f.Offset != len(strings.Fields(strings.Join(fields, " "))) {
				t.Fatalf("%s is at %d", f.Name, f.Offset)
			}
			fields = append(fields, f.Bytes)
		}
	}
	if all := strings.Join(fields, " "); len(fields) > 0 && e.Framing != modbus.ASCII.String() && all != e.Frame {
		t.Fatalf("the fields are %s, the frame %s", all, e.Frame)
	}
	if e.Framing == modbus.RTU.String() && e.Good() {
		b, err := hex.DecodeString(strings.ReplaceAll(e.Frame, " ", ""))
		if _, bad := modbus.ParseRTU(b); err != nil || bad != nil {
			t.Fatalf("%s is called good: %v", e.Frame, bad)
		}
	}
}

func FuzzFrame(f *testing.F) {
	for _, c := range modbustest.Cases() {
		f.Add([]byte(c.Text))
		f.Add(c.Bytes())
	}
	for _, input := range inputs {
		f.Add([]byte(input))
	}
	f.Fuzz(func(t *testing.T, input []byte) { check(t, explain.Frame(input)) })
}

func FuzzReply(f *testing.F) {
	for _, c := range modbustest.Cases() {
		if c.Reply != "" {
			f.Add(c.Bytes(), modbustest.Named(c.Reply).Bytes())
		}
	}
	f.Fuzz(func(t *testing.T, request, reply []byte) { check(t, explain.Reply(request, reply)) })
}
