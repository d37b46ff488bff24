package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// oneLine returns an error, or several, as one line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// shown returns what somebody sent in quotes, and no more of it than anyone would read.
func shown(text string) string {
	const most = 60
	if len(text) > most {
		return strconv.Quote(strings.ToValidUTF8(text[:most], "")) + " and more"
	}
	return strconv.Quote(text)
}

// inWords says what is wrong with a body's JSON to someone who knows JSON and nothing
// of this program.
func inWords(err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the request has no body: send JSON")
	case errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the body is no JSON: %w", err)
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("%s cannot be %s", kind.Field, kindInWords(kind.Value))
	case errors.As(err, &kind):
		return fmt.Errorf("the body cannot be %s", kindInWords(kind.Value))
	}
	if key, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("the body has the key %s, which means nothing here", shown(strings.Trim(key, `"`)))
	}
	return err
}

// kindInWords returns what encoding/json calls a kind of value, such as "array" or
// "number -1", with its article.
func kindInWords(kind string) string {
	number, isNumber := strings.CutPrefix(kind, "number ")
	switch {
	case isNumber:
		return "the number " + bounded(number)
	case kind == "array" || kind == "object":
		return "an " + kind
	case kind == "bool":
		return "true or false"
	}
	return "a " + kind
}

// bounded returns a text, and no more of it than anyone would read.
func bounded(text string) string {
	const most = 1000
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + " ... and more"
	}
	return text
}
