package strictyaml

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Parse reads data, which came from file (the name is only shown). It always returns
// a document; what is wrong with it is in [Document.Err].
func Parse(file string, data []byte, o Options) *Document {
	d := &Document{file: file, options: o}
	if data = d.checkText(data); len(d.problems) > 0 {
		return d
	}
	root := d.parse(string(data))
	if len(d.problems) == 0 {
		d.root = root
	}
	return d
}

// checkText reports what is no text at all and returns the text without its byte order mark.
func (d *Document) checkText(data []byte) []byte {
	if len(data) > MaxSize {
		d.addf(1, 1, "the file has %d bytes, more than 1 MiB: it is not a configuration, or it should be split", len(data))
		return nil
	}
	if bytes.HasPrefix(data, []byte{0xFF, 0xFE}) || bytes.HasPrefix(data, []byte{0xFE, 0xFF}) {
		d.addf(1, 1, "the file is UTF-16: save it as UTF-8")
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			d.addf(line, column, "byte %#02x is not UTF-8: save the file as UTF-8", data[i])
			return nil
		case r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7F:
			d.addf(line, column, "control character %#02x: remove it", r)
			return nil
		case r == '\n':
			line, column = line+1, 0
		}
		i += size
		column++
	}
	return data
}

// parse runs the parser. It only gets what it can take: no constructs that are not
// supported anyway, and no nesting deep enough to exhaust its recursion. The recover is
// for its own mistakes on broken text.
func (d *Document) parse(text string) (root *value) {
	defer func() {
		if recover() != nil {
			d.addf(1, 1, "the file is not YAML that can be read: look for odd indentation, brackets or quotes")
		}
	}()
	tokens := lexer.Tokenize(text)
	if d.checkTokens(tokens); len(d.problems) > 0 {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.addSyntax(err)
		return nil
	}
	return d.body(file)
}

// body returns the value of the file's only document; an empty file is a null.
func (d *Document) body(file *ast.File) *value {
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			at := positionOf(doc.Body.GetToken())
			d.addf(at.line, at.column, "a second document begins here: keep one document per file, remove the --- before it")
			return nil
		}
		body = doc.Body
	}
	if body == nil {
		return &value{line: 1, column: 1}
	}
	return d.convert(body, nil, 1)
}

var refused = map[token.Type]string{
	token.AnchorType:     "anchors (&name) are not supported: write the values out, or put text that begins with & in quotes",
	token.AliasType:      "aliases (*name) are not supported: write the values out, or put text that begins with * in quotes",
	token.MergeKeyType:   "merge keys (<<) are not supported: write the keys out",
	token.TagType:        "tags (!name) are not supported: remove it, or put text that begins with ! in quotes",
	token.DirectiveType:  "directives (%NAME) are not supported: remove the line, or put text that begins with % in quotes",
	token.MappingKeyType: "keys that begin with ? are not supported: write key: value",
}

// checkTokens reports constructs that are refused and nesting that is too deep.
func (d *Document) checkTokens(tokens token.Tokens) {
	var depth nesting
	for _, t := range tokens {
		at := positionOf(t)
		if t.Type == token.InvalidType {
			d.addf(at.line, at.column, "%s", plainWords(t.Error))
			return
		}
		if message, ok := refused[t.Type]; ok {
			d.addf(at.line, at.column, "%s", message)
		}
		if depth.follow(t, at.column) > MaxDepth {
			d.addf(at.line, at.column, "more than %d mappings and lists inside each other: this is no configuration that can be read", MaxDepth)
			return
		}
	}
}

// nesting follows the tokens' depth: open brackets, and for blocks the columns of the
// dashes and keys that are still open.
type nesting struct {
	flow    int
	columns []int
	last    int // column of the token before, a key if a colon follows
}

func (n *nesting) follow(t *token.Token, column int) int {
	switch t.Type {
	case token.MappingStartType, token.SequenceStartType:
		n.flow++
	case token.MappingEndType, token.SequenceEndType:
		n.flow = max(n.flow-1, 0)
	case token.SequenceEntryType:
		n.open(column)
	case token.MappingValueType:
		n.open(n.last)
	}
	n.last = column
	return n.flow + len(n.columns)
}

func (n *nesting) open(column int) {
	if n.flow > 0 {
		return
	}
	for len(n.columns) > 0 && n.columns[len(n.columns)-1] >= column {
		n.columns = n.columns[:len(n.columns)-1]
	}
	n.columns = append(n.columns, column)
}

func (d *Document) addSyntax(err error) {
	var syntax *yaml.SyntaxError
	if !errors.As(err, &syntax) {
		d.addf(1, 1, "the file is not YAML that can be read: look for odd indentation, brackets or quotes")
		return
	}
	at := positionOf(syntax.Token)
	d.addf(at.line, at.column, "%s", plainWords(syntax.Message))
}
