package strictyaml

import "strings"

// syntaxWords says in plain words what the parser's messages mean for someone who
// edits a file. The first that is contained in the message counts.
var syntaxWords = []struct{ contains, words string }{
	{"tab character", "a tab where spaces belong: indent with spaces"},
	{"'\t'", "a tab where spaces belong: indent with spaces"},
	{"end character of single-quoted", "the quote ' is not closed: add the closing '"},
	{"end character of double-quoted", "the quote \" is not closed: add the closing \""},
	{"unknown escape character", "unknown escape after \\ in double quotes: use single quotes, or write \\\\ for a backslash"},
	{"UTF-", "broken \\u escape in double quotes: write four hex digits after \\u"},
	{"reserved character", "text cannot begin with @ or `: put it in quotes"},
	{"'[' character corresponding", "a ] without its [: remove it, or put the text in quotes"},
	{"'{' character corresponding", "a } without its {: remove it, or put the text in quotes"},
	{"',' or ']'", "expected , or ] here: the list in [ ] is not closed or a comma is missing"},
	{"']' not found", "the list that begins here is not closed: add ]"},
	{"',' or '}'", "expected , or } here: the mapping in { } is not closed or a comma is missing"},
	{"end token '}'", "the mapping that begins here is not closed: add }"},
	{"found ','", "a comma without a value before it: remove it"},
	{"multi-line", "the text after | or > is missing or not indented: indent it below its key"},
	{"number of indent", "the indentation after | or > does not fit its text: remove the number or indent the text evenly"},
	{"document separator", "nothing may follow --- on its line: put it on the next line"},
	{"block sequence entries", "a list with - cannot begin here: put each - on its own line below the key"},
	{"non-map value", "expected a key followed by a colon and a space: check the indentation and the colon"},
	{"key name", "expected a key followed by a colon and a space on one line"},
	{"map key", "expected a key followed by a colon and a space: check the indentation and the colon"},
	{"invalid key", "a colon without a key before it: write key: value, or put text with a colon in quotes"},
	{"map value", "the value is missing or not where it belongs: check the indentation"},
	{"mapping value", "a second colon on this line: put text with a colon in quotes, or begin a new line"},
	{"not allowed in this context", "this does not belong here: check the indentation, it must line up with the keys around it"},
}

// plainWords translates a message of the parser; none quotes the file's text.
func plainWords(message string) string {
	for _, w := range syntaxWords {
		if strings.Contains(message, w.contains) {
			return w.words
		}
	}
	return "this is not YAML: check indentation, colons, brackets and quotes around here"
}
