package strictyaml

import (
	"bytes"
	"unicode/utf8"

	"github.com/goccy/go-yaml/lexer"
)

// Parse reads data, which came from file (the name is only shown). It always returns
// a document; what is wrong with it is in [Document.Err].
func Parse(file string, data []byte, o Options) *Document {
	d := &Document{file: file, options: o}
	data, ok := d.checkText(data)
	if !ok {
		return d
	}
	root := d.parse(string(data))
	if len(d.problems) == 0 {
		d.root = root
	}
	return d
}

// checkText reports what is no text at all and returns the text without its byte order mark.
func (d *Document) checkText(data []byte) ([]byte, bool) {
	if len(data) > MaxSize {
		d.addf(position{1, 1}, "the file has %d bytes, more than 1 MiB: it is no configuration, or it must be split", len(data))
		return nil, false
	}
	if bytes.HasPrefix(data, []byte{0xFF, 0xFE}) || bytes.HasPrefix(data, []byte{0xFE, 0xFF}) {
		d.addf(position{1, 1}, "the file is UTF-16: save it as UTF-8")
		return nil, false
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	at := position{1, 1}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			d.addf(at, "byte %#02x is not UTF-8: save the file as UTF-8", data[i])
			return nil, false
		case r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7F, r == '\ufeff':
			d.addf(at, "control character U+%04X: remove it", r)
			return nil, false
		case r == '\n':
			at = position{at.line + 1, 0}
		}
		i += size
		at.column++
	}
	return data, true
}

// parse never panics: the recover is for the lexer's own mistakes on broken text.
func (d *Document) parse(text string) (root *value) {
	defer func() {
		if recover() != nil {
			d.addf(position{1, 1}, "the file is not YAML: look for odd indentation, brackets or quotes")
		}
	}()
	r := newReader(lexer.Tokenize(text))
	root = r.document()
	if r.failed {
		d.addf(r.at, "%s", r.message)
	}
	return root
}
