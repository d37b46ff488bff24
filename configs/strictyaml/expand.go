package strictyaml

import "strings"

// scalarText returns the scalar's text with ${NAME} replaced. ok is false for anything
// that is not a scalar and for a variable that is not set, which is reported.
func (n Node) scalarText() (text string, ok bool) {
	if n.value == nil || n.value.kind != scalar {
		return "", false
	}
	if !n.hasExpression() {
		return n.value.text, true
	}
	return n.expand()
}

// hasExpression reports whether the text may differ from what the file says.
func (n Node) hasExpression() bool {
	return n.doc.options.Env != nil && strings.Contains(n.value.text, "$")
}

func (n Node) expand() (string, bool) {
	var b strings.Builder
	rest, ok := n.value.text, true
	for {
		before, after, found := strings.Cut(rest, "$")
		b.WriteString(before)
		if !found {
			return b.String(), ok
		}
		switch {
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			rest = after[1:]
		case strings.HasPrefix(after, "{"):
			name, tail, closed := strings.Cut(after[1:], "}")
			if !closed || !isVariable(name) {
				n.Problemf("%s is not a variable: write ${NAME} with letters, digits and _, or $$ for a dollar sign", n.Shown())
				return "", false
			}
			text, set := n.doc.options.Env(name)
			if !set {
				n.Problemf("the environment variable %s is not set: set it, or write $$ for a dollar sign", name)
				ok = false
			}
			b.WriteString(text)
			rest = tail
		default: // a lone dollar sign is itself, as in a password
			b.WriteByte('$')
			rest = after
		}
	}
}

func isVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
