package match_test

import (
	"testing"

	"modferry/modbus"
	"modferry/simulator/match"
)

func TestParseRange(t *testing.T) {
	for text, want := range map[string]match.Range{
		"5": {First: 5, Last: 5}, "1-8": {First: 1, Last: 8}, "1 - 8": {First: 1, Last: 8}, "0x0100-0x01FF": {First: 0x100, Last: 0x1FF},
		"0-65535": {First: 0, Last: 65535}, "10-0x10": {First: 10, Last: 16},
	} {
		if r, err := match.ParseRange(text); err != nil || r != want {
			t.Errorf("%s: %v, %v", text, r, err)
		}
	}
	for _, text := range []string{"", "-", "8-1", "1-", "-1", "65536", "0x", "1-2-3", "ten"} {
		if r, err := match.ParseRange(text); err == nil {
			t.Errorf("%q is %v", text, r)
		}
	}
}

// A range that is written is read as the same.
func FuzzParseRange(f *testing.F) {
	for _, text := range []string{"5", "1-8", "0x0100 - 0x01FF"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := match.ParseRange(text)
		if err != nil {
			return
		}
		if again, err := match.ParseRange(r.String()); err != nil || again != r {
			t.Fatalf("%q is %v, and that is %v, %v", text, r, again, err)
		}
	})
}

func TestWithin(t *testing.T) {
	ranges := []match.Range{{First: 3, Last: 5}, {First: 9, Last: 9}}
	for _, c := range []struct {
		first, end int
		want       bool
	}{{0, 3, false}, {0, 4, true}, {5, 6, true}, {6, 9, false}, {6, 10, true}, {10, 99, false}} {
		if got := match.Within(ranges, c.first, c.end); got != c.want {
			t.Errorf("%d to before %d: %v", c.first, c.end, got)
		}
	}
}

// Read and write are all functions between them, and no function is both.
func TestFunctions(t *testing.T) {
	read, err1 := match.Functions("read")
	write, err2 := match.Functions("write")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	for code := 1; code < 128; code++ {
		if read[code] == write[code] || write[code] != modbus.IsWrite(byte(code)) {
			t.Errorf("function %d: read %v, write %v", code, read[code], write[code])
		}
	}
	for _, word := range []string{"3", "0x03", "read_holding_registers"} {
		if codes, err := match.Functions(word); err != nil || codes != [128]bool{3: true} {
			t.Errorf("%s: %v, %v", word, codes, err)
		}
	}
	for _, word := range []string{"", "0", "128", "reads"} {
		if _, err := match.Functions(word); err == nil {
			t.Errorf("%q is a function", word)
		}
	}
}

// What a request of the wrong length touches is not known.
func TestTouches(t *testing.T) {
	whole := modbus.ReadRequest(3, 7, 2)
	if s := match.Touches(whole); len(s) != 1 || s[0].Address != 7 || s[0].Quantity != 2 || match.TableName(s[0].Table) != "holding" {
		t.Errorf("%+v", s)
	}
	whole.Data = whole.Data[:3]
	if s := match.Touches(whole); s != nil {
		t.Errorf("%+v", s)
	}
}
