// Package hextext is bytes as people write them: hex digits in either case, in
// groups between separators, with or without 0x, and the same style back.
//
// A byte is always two digits; a group is one or more bytes; groups are separated
// by any run of white space, ',', '-' and ':'. 0x may stand before each group or
// once in front. Nothing here knows Modbus.
package hextext

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

const (
	blank      = " \t\r\n"
	separators = blank + ",-:"
	// A longer run of separators is mirrored by its first character, so that a
	// short text with much space in it cannot ask for a huge answer.
	maxSeparator = 2
)

// Style is how a text was written. The zero value is upper case without separators.
type Style struct {
	lower     bool
	prefix    string // 0x or 0X
	each      bool   // prefix before each group, not only the first
	separator string
	group     int // bytes between separators; 0 = no separators
}

// Error says where a text stops being hex. Offset counts bytes from 0, in the text as given.
type Error struct {
	Offset int
	Reason string
}

func (e *Error) Error() string { return e.Reason }

// Parse reads a text and its style. White space around it is ignored, and so is a
// separator after the last group. An empty text has no bytes and no error.
// Error: [*Error].
func Parse(text []byte) ([]byte, Style, error) {
	p := parser{text: bytes.TrimRight(text, separators)}
	p.at = len(p.text) - len(bytes.TrimLeft(p.text, blank))
	for p.at < len(p.text) {
		if err := p.group(); err != nil {
			return nil, Style{}, err
		}
	}
	return p.bytes, p.result(), nil
}

type parser struct {
	text  []byte
	at    int
	bytes []byte

	style     Style
	groups    int  // read so far
	size      int  // of the last one in bytes
	irregular bool // one before the last differs from the first
	lettered  bool // the letter case is known
}

func (p *parser) group() error {
	prefixed := p.prefixed()
	if prefixed {
		p.prefix()
	}
	start := p.at
	for p.at < len(p.text) && digit(p.text[p.at]) >= 0 && (p.at == start || !p.prefixed()) {
		if err := p.byte(start); err != nil {
			return err
		}
	}
	if p.at == start {
		return p.unexpected()
	}
	p.count((p.at-start)/2, prefixed)
	return p.separator()
}

func (p *parser) prefixed() bool {
	return p.at+1 < len(p.text) && p.text[p.at] == '0' && p.text[p.at+1]|0x20 == 'x'
}

func (p *parser) prefix() {
	if p.groups == 0 {
		p.style.prefix = string(p.text[p.at : p.at+2])
	}
	p.at += 2
}

func (p *parser) byte(start int) error {
	if p.at+1 >= len(p.text) || digit(p.text[p.at+1]) < 0 {
		return p.odd(start)
	}
	high, low := p.text[p.at], p.text[p.at+1]
	p.letter(high)
	p.letter(low)
	p.bytes = append(p.bytes, byte(digit(high)<<4|digit(low)))
	p.at += 2
	return nil
}

func (p *parser) letter(c byte) {
	if c > '9' && !p.lettered {
		p.lettered, p.style.lower = true, c >= 'a'
	}
}

func (p *parser) odd(start int) error {
	group := p.text[start : p.at+1]
	if p.at+1 < len(p.text) && !bytes.ContainsRune([]byte(separators), rune(p.text[p.at+1])) {
		p.at++
		return p.unexpected()
	}
	if len(group) == 1 {
		return &Error{p.at, fmt.Sprintf("the single hex digit %q is not a byte: write each byte with two, such as 0%s", group, group)}
	}
	return &Error{p.at, fmt.Sprintf("%d hex digits in a row are not a whole number of bytes: one is missing or too many", len(group))}
}

func (p *parser) unexpected() error {
	if p.at >= len(p.text) {
		return &Error{p.at, "there are no hex digits after 0x"}
	}
	r, _ := utf8.DecodeRune(p.text[p.at:])
	return &Error{p.at, fmt.Sprintf("%q at position %d is not a hex digit", r, p.at+1)}
}

func (p *parser) count(size int, prefixed bool) {
	switch p.groups {
	case 0:
		p.style.group, p.size = size, size
	case 1:
		p.style.each = prefixed && p.style.prefix != ""
	}
	p.irregular = p.irregular || p.size != p.style.group
	p.size = size
	p.groups++
}

func (p *parser) separator() error {
	rest := p.text[p.at:]
	run := len(rest) - len(bytes.TrimLeft(rest, separators))
	if p.groups == 1 {
		p.style.separator = string(rest[:run])
		if run > maxSeparator {
			p.style.separator = string(rest[:1])
		}
	}
	p.at += run
	if run == 0 && len(rest) > 0 && !p.prefixed() {
		return p.unexpected()
	}
	return nil
}

func (p *parser) result() Style {
	s := p.style
	switch {
	case p.groups < 2:
		s.group, s.separator = 0, ""
	case p.irregular || p.size > s.group:
		s.group = 1
	}
	return s
}

func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// Append appends b in the style to dst.
func (s Style) Append(dst, b []byte) []byte {
	digits := "0123456789ABCDEF"
	if s.lower {
		digits = "0123456789abcdef"
	}
	for i, c := range b {
		first := s.group > 0 && i%s.group == 0
		if i > 0 && first {
			dst = append(dst, s.separator...)
		}
		if i == 0 || s.each && first {
			dst = append(dst, s.prefix...)
		}
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst
}
