package strictyaml

import (
	"strings"

	"github.com/goccy/go-yaml/token"
)

const misplaced = "this does not belong here: it must line up with the keys around it; check the indentation, and quotes and brackets before it"

// refused are the parts of YAML that are left out.
var refused = map[token.Type]string{
	token.AnchorType:     "anchors (&name) are not supported: write the values out, or put text that begins with & in quotes",
	token.AliasType:      "aliases (*name) are not supported: write the values out, or put text that begins with * in quotes",
	token.MergeKeyType:   "merge keys (<<) are not supported: write the keys out",
	token.TagType:        "tags (!name) are not supported: remove it, or put text that begins with ! in quotes",
	token.DirectiveType:  "directives (%NAME) are not supported: remove the line, or put text that begins with % in quotes",
	token.MappingKeyType: "keys that begin with ? are not supported: write key: value",
}

// stray says what is wrong with a token that cannot begin a value.
func stray(t token.Type) string {
	switch t {
	case token.SequenceEndType:
		return "a ] without its [: remove it, or put the text in quotes"
	case token.MappingEndType:
		return "a } without its {: remove it, or put the text in quotes"
	case token.CollectEntryType:
		return "a comma without a value before it: remove it, or put the text in quotes"
	case token.MappingValueType:
		return "a colon without a key before it: write key: value, or put text with a colon in quotes"
	case token.SequenceEntryType:
		return "a dash inside brackets: put text that begins with a dash in quotes"
	}
	return "this is not YAML: check indentation, colons, brackets and quotes around here"
}

// lexerWords say in plain words what the lexer's messages mean for someone who edits
// a file. The first that is contained in the message counts.
var lexerWords = []struct{ contains, words string }{
	{"tab character", "a tab where spaces belong: indent with spaces"},
	{"'\t'", "a tab where spaces belong: indent with spaces"},
	{"single-quoted", "the quote ' is not closed: add the closing '"},
	{"double-quoted", "the quote \" is not closed: add the closing \""},
	{"unknown escape character", "unknown escape after \\ in double quotes: use single quotes, or write \\\\ for a backslash"},
	{"UTF-", "broken \\u escape in double quotes: write four hex digits after \\u"},
	{"surrogate", "broken \\u escape in double quotes: write four hex digits after \\u"},
	{"reserved character", "text cannot begin with @ or `: put it in quotes"},
	{"multi-line", "the text after | or > is missing or not indented: indent it below its key"},
	{"number of indent", "the indentation after | or > does not fit its text: remove the number or indent the text evenly"},
	{"header option", "only -, + or a digit may follow | or >: put the text on the next line, or in quotes"},
	{"tag character", "tags (!name) are not supported: remove it, or put text that begins with ! in quotes"},
	{"document separator", "--- inside quotes: close the quote before it"},
}

// plainWords translates a message of the lexer; none of them quotes the file's text.
func plainWords(message string) string {
	for _, w := range lexerWords {
		if strings.Contains(message, w.contains) {
			return w.words
		}
	}
	return stray(token.UnknownType)
}
