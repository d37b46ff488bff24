package compute

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The expression language knows neither names with a hyphen nor names that are its own
// words. So a name of a reading is handed to it as one of as many letters, each the
// character counted on from this one: places in an expression stay what they were.
const firstLetter = 'ꀀ' // of the Yi syllables, which are letters

func encodeName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		b.WriteRune(firstLetter + rune(name[i]))
	}
	return b.String()
}

func isEncoded(r rune) bool { return r >= firstLetter && r < firstLetter+utf8.RuneSelf }

// Each call of total has a counter of its own, and for that a name of its own: its last
// letter tells them apart.
const firstCall = 'ꔀ'

func callName(i int) string { return totalName[:len(totalName)-1] + string(firstCall+rune(i)) }

func isCall(r rune) bool { return r >= firstCall && r < firstCall+maxNodes }

func decodeNames(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case isEncoded(r):
			return r - firstLetter
		case isCall(r):
			return rune(totalName[len(totalName)-1])
		}
		return r
	}, text)
}

// encode replaces the names of readings in an expression and returns those that it
// uses, in the order of their first use, and how often it calls total.
func encode(expression string, names []string) (encoded string, used []string, totals int) {
	known := slices.DeleteFunc(slices.Clone(names), isNumber)
	slices.SortFunc(known, func(a, b string) int { return len(b) - len(a) })
	var b strings.Builder
	for at := 0; at < len(expression); {
		rest := expression[at:]
		if n := literal(rest); n > 0 {
			b.WriteString(rest[:n])
			at += n
			continue
		}
		n := word(rest)
		name := longest(known, rest)
		switch {
		case name != "":
			b.WriteString(encodeName(name))
			if !slices.Contains(used, name) {
				used = append(used, name)
			}
			n = len(name)
		case rest[:n] == totalName && totals < maxNodes:
			b.WriteString(callName(totals))
			totals++
		default:
			b.WriteString(rest[:n])
		}
		at += n
	}
	return b.String(), used, totals
}

func isNumber(name string) bool {
	_, err := strconv.ParseFloat(name, 64)
	return err == nil
}

// literal returns the length of the text in quotes at the beginning of an expression.
func literal(s string) int {
	if quote := s[0]; quote != '"' && quote != '\'' && quote != '`' {
		return 0
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && s[0] != '`':
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return len(s)
}

// word returns the length of the word, or of the single character, at the beginning.
func word(s string) int {
	n := 0
	for n < len(s) && isWordByte(s[n]) {
		n++
	}
	if n == 0 {
		_, n = utf8.DecodeRuneInString(s)
	}
	return n
}

func isWordByte(c byte) bool {
	return c == '_' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf
}

// longest returns the longest name at the beginning of s that ends where a word ends
// and is not called as a function.
func longest(longestFirst []string, s string) string {
	for _, name := range longestFirst {
		rest, ok := strings.CutPrefix(s, name)
		if ok && (rest == "" || !isWordByte(rest[0])) && !strings.HasPrefix(strings.TrimLeft(rest, " \t"), "(") {
			return name
		}
	}
	return ""
}
