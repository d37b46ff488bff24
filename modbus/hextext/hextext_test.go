package hextext_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"modferry/modbus/hextext"
)

func TestTheAnswerIsWrittenLikeTheQuestion(t *testing.T) {
	question, answer := []byte{0x01, 0x04, 0x0A, 0x0B}, []byte{0x01, 0x84, 0x02, 0xC2, 0xC1}
	for _, test := range []struct{ question, answer string }{
		{"01040A0B", "018402C2C1"},
		{"01040a0b", "018402c2c1"},
		{"01 04 0A 0B", "01 84 02 C2 C1"},
		{"01 04 0a 0B", "01 84 02 c2 c1"},
		{"01,04,0A,0B", "01,84,02,C2,C1"},
		{"01, 04, 0A, 0B", "01, 84, 02, C2, C1"},
		{"01-04-0A-0B", "01-84-02-C2-C1"},
		{"01:04:0A:0B", "01:84:02:C2:C1"},
		{"01\t04\t0A\t0B", "01\t84\t02\tC2\tC1"},
		{"01\r\n04\r\n0A\r\n0B", "01\r\n84\r\n02\r\nC2\r\nC1"},
		{"0104 0A0B", "0184 02C2 C1"},
		{"01040A 0B", "018402 C2C1"},
		{"01 04 0A0B", "01 84 02 C2 C1"},
		{"01 040A0B", "01 84 02 C2 C1"},
		{"01 04,0A-0B", "01 84 02 C2 C1"},
		{"01     04 0A 0B", "01 84 02 C2 C1"},
		{"0x01040A0B", "0x018402C2C1"},
		{"0X01040a0b", "0X018402c2c1"},
		{"0x01 0x04 0x0A 0x0B", "0x01 0x84 0x02 0xC2 0xC1"},
		{"0x01,0x04,0x0A,0x0B", "0x01,0x84,0x02,0xC2,0xC1"},
		{"0x010x040x0A0x0B", "0x010x840x020xC20xC1"},
		{"0x0104 0x0A0B", "0x0184 0x02C2 0xC1"},
		{"0x01 04 0A 0B", "0x01 84 02 C2 C1"},
		{" \r\n01040A0B\n", "018402C2C1"},
		{"01,04,0A,0B,", "01,84,02,C2,C1"},
	} {
		b, style, err := hextext.Parse([]byte(test.question))
		if err != nil || !bytes.Equal(b, question) {
			t.Errorf("Parse(%q) = % X, %v", test.question, b, err)
			continue
		}
		if got := style.Append([]byte("> "), answer); string(got) != "> "+test.answer {
			t.Errorf("%q is answered %q, want %q", test.question, got[2:], test.answer)
		}
	}
	if _, style, _ := hextext.Parse([]byte("0104 0001")); string(style.Append(nil, question)) != "0104 0A0B" {
		t.Error("digits without letters are not answered in upper case")
	}
}

func TestWhatIsNoHex(t *testing.T) {
	for text, want := range map[string]string{
		"010":         "3 hex digits in a row are not a whole number of bytes",
		"01 4":        `the single hex digit "4" is not a byte: write each byte with two, such as 04`,
		"01 4 02":     `the single hex digit "4" is not a byte: write each byte with two, such as 04`,
		"0x1":         `the single hex digit "1" is not a byte: write each byte with two, such as 01`,
		"0104 010 01": "3 hex digits in a row are not a whole number of bytes",
		"0g":          "'g' at position 2 is not a hex digit",
		"01;02":       "';' at position 3 is not a hex digit",
		"01 02，03":    "'，' at position 6 is not a hex digit",
		",01":         "',' at position 1 is not a hex digit",
		":01":         "':' at position 1 is not a hex digit",
		"0x":          "there are no hex digits after 0x",
		"01 0x 02":    "' ' at position 6 is not a hex digit",
		"hello":       "'h' at position 1 is not a hex digit",
		"0x0x01":      "'x' at position 4 is not a hex digit",
	} {
		b, _, err := hextext.Parse([]byte(text))
		at, ok := errors.AsType[*hextext.Error](err)
		if !ok || !strings.Contains(err.Error(), want) || at.Offset < 0 || at.Offset > len(text) {
			t.Errorf("Parse(%q) = % X, %v, want %q", text, b, err, want)
		}
	}
}

func TestNoDigitsAreNoBytes(t *testing.T) {
	for _, text := range []string{"", " ", "\r\n", ","} {
		if b, _, err := hextext.Parse([]byte(text)); len(b) != 0 || err != nil {
			t.Errorf("Parse(%q) = % X, %v", text, b, err)
		}
	}
}

func TestAMuchSpacedTextIsNotAnsweredHuge(t *testing.T) {
	_, style, err := hextext.Parse([]byte("01" + strings.Repeat(" ", 1000) + "02"))
	if err != nil {
		t.Fatal(err)
	}
	if got := style.Append(nil, make([]byte, 256)); len(got) > 4*256 {
		t.Errorf("256 bytes are written with %d characters", len(got))
	}
}

// Whatever style was read: what is written in it reads as the same bytes, and in a style that writes the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"01040a0b", "01 04", "0x01,0x04", "0X0104 0X0A", "01:04\n", "0x010x04", "01, 04, 0A0B", "0", "\x00"} {
		f.Add([]byte(seed), []byte{1, 2, 3})
	}
	f.Fuzz(func(t *testing.T, text, answer []byte) {
		_, style, err := hextext.Parse(text)
		if err != nil {
			return
		}
		written := style.Append(nil, answer)
		again, same, err := hextext.Parse(written)
		if err != nil || !bytes.Equal(again, answer) {
			t.Fatalf("% X written like %q is %q, which reads as % X, %v", answer, text, written, again, err)
		}
		if len(answer) > 1 && hasLetter(answer) {
			if back := same.Append(nil, answer); !bytes.Equal(back, written) {
				t.Fatalf("%q is answered %q in its own style", written, back)
			}
		}
	})
}

func hasLetter(b []byte) bool {
	return slices.ContainsFunc(b, func(c byte) bool { return c&15 > 9 || c>>4 > 9 })
}

func TestEveryStyleIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		answer := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "bytes")
		separator := rapid.SampledFrom([]string{"", " ", ",", ", ", "-", ":", "\t"}).Draw(t, "separator")
		prefix := rapid.SampledFrom([]string{"", "0x", "0X"}).Draw(t, "prefix")
		format := rapid.SampledFrom([]string{"%02x", "%02X"}).Draw(t, "case")
		text := writeBytes(answer, format, prefix, separator)
		got, style, err := hextext.Parse([]byte(text))
		if err != nil || !bytes.Equal(got, answer) {
			t.Fatalf("Parse(%q) = % X, %v", text, got, err)
		}
		again := style.Append(nil, answer)
		if hasLetter(answer) && len(answer) > 1 && string(again) != text {
			t.Fatalf("%q is answered %q", text, again)
		}
	})
}

func writeBytes(b []byte, format, prefix, separator string) string {
	var out strings.Builder
	for i, c := range b {
		if i > 0 {
			out.WriteString(separator)
		}
		fmt.Fprintf(&out, prefix+format, c)
	}
	return out.String()
}
