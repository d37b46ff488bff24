package profile

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"modferry/configs/strictyaml"
	"modferry/modbus/register"
)

// maxNameLength is the length of a number's or flag's name, in bytes.
const maxNameLength = 256

// decodeNames reads names of numbers, such as {0: "off", 1: heat}.
func decodeNames(n strictyaml.Node) []register.Name {
	if !n.Present() {
		return nil
	}
	var list []register.Name
	seen := map[int64]bool{}
	for _, e := range n.Map().Entries() {
		number, ok := whole(e.Name)
		text, named := e.Value.Text()
		switch {
		case !ok:
			e.Key.Problemf("expected a whole number and its name, such as 0: idle, got %s", e.Key.Shown())
		case seen[number]:
			e.Key.Problemf("the number %d is there twice: keep one", number)
		case named && !isName(text):
			e.Value.Problemf("a name has at most %d bytes and no control characters, got %s", maxNameLength, e.Value.Shown())
		}
		seen[number] = true
		list = append(list, register.Name{Number: number, Name: text})
	}
	if n.IsMap() && len(list) == 0 {
		n.Problemf("there are no names: add some, such as 0: idle, or remove the key")
	}
	return list
}

func isName(text string) bool {
	return len(text) <= maxNameLength && strings.IndexFunc(text, unicode.IsControl) < 0
}

var bitRange = regexp.MustCompile(`^([0-9]{1,2}) *- *([0-9]{1,2})$`)

// decodeBits reads the bits of a register that are a number of their own, such as
// 4-7; no width if there are none.
func decodeBits(n strictyaml.Node) (bit, width int) {
	text := n.String("")
	if !n.Present() || n.IsMap() || n.IsList() {
		return -1, 0
	}
	if m := bitRange.FindStringSubmatch(text); m != nil {
		first, _ := strconv.Atoi(m[1])
		last, _ := strconv.Atoi(m[2])
		if first < last && last <= 15 {
			return first, last - first + 1
		}
	}
	n.Problemf("expected the first and last bit of a number, from 0 to 15, such as 4-7, got %s; one bit alone is bit: 4", n.Shown())
	return -1, 0
}
