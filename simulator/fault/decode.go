package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"modferry/configs/strictyaml"
	"modferry/modbus"
	"modferry/modbus/hextext"
	"modferry/simulator/match"
)

// Parse reads a fault as it stands in a configuration's list: as YAML, such as
// "functions: read, delay: 500ms", with or without braces, or as JSON. The error is
// one line that names each mistake.
func Parse(text []byte) (Fault, error) {
	line := strings.TrimSpace(string(text))
	if !strings.HasPrefix(line, "{") && !strings.Contains(line, "\n") {
		line = "{" + line + "}"
	}
	doc := strictyaml.Parse("fault", []byte(line), strictyaml.Options{})
	f := decode(doc.Root())
	return f, oneLine(doc.Err())
}

// ParseJSON is [Parse] for JSON that may stand on several lines.
func ParseJSON(text []byte) (Fault, error) {
	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil {
		return Fault{}, err
	}
	if !bytes.HasPrefix(line.Bytes(), []byte("{")) {
		return Fault{}, errors.New(`a fault is an object, such as {"functions": "read", "delay": "500ms"}`)
	}
	return Parse(line.Bytes())
}

// oneLine returns the problems of a text that has no lines for whoever wrote it.
func oneLine(err error) error {
	var problems strictyaml.Problems
	if !errors.As(err, &problems) {
		return err
	}
	var all []string
	for _, p := range problems {
		if p.Path != "" {
			p.Message = p.Path + ": " + p.Message
		}
		all = append(all, p.Message)
	}
	return errors.New(strings.Join(all, "; "))
}

// DecodeList reads the faults of a configuration.
func DecodeList(n strictyaml.Node) []Fault {
	var faults []Fault
	names := map[string]bool{}
	for _, item := range n.List() {
		f := decode(item)
		if f.Name != "" && names[f.Name] {
			item.Problemf("the name %s is taken by a fault above: give it another", f.Name)
		}
		names[f.Name] = true
		faults = append(faults, f)
	}
	return faults
}

func decode(n strictyaml.Node) Fault {
	m := n.Map()
	defer m.Done()
	f := Fault{
		Name:  m.Get("name").String(""),
		Units: decodeRanges(m.Get("units")), Functions: decodeWords(m.Get("functions")),
		Addresses: decodeRanges(m.Get("addresses")), Quantities: decodeRanges(m.Get("quantities")), Faces: decodeWords(m.Get("faces")),
		Nth: m.Get("nth").Int(0, 1, maxNumber), Every: m.Get("every").Int(0, 1, maxNumber), Count: m.Get("count").Int(0, 1, maxNumber),
		Probability: decodeProbability(m.Get("probability")), Seed: uint64(m.Get("seed").Int(0, 0, maxNumber)),
		After: m.Get("after").Duration(0, 0, 0), For: m.Get("for").Duration(0, time.Millisecond, 0),
		Until: m.Get("until").Time(), Also: m.Get("also").Bool(false),

		Drop: m.Get("drop").OneOf("", DropRequest, DropReply), Exception: byte(m.Get("exception").Int(0, 1, 255)),
		Short: m.Get("short").Int(0, 1, modbus.MaxReadRegisters), Reply: decodeHex(m.Get("reply")), Raw: decodeHex(m.Get("raw")),
		WrongUnit: byte(m.Get("wrong_unit").Int(0, 1, 255)), WrongTransaction: uint16(m.Get("wrong_transaction").Int(0, 1, 65535)),
		BadCheck: m.Get("bad_check").Bool(false), Truncate: m.Get("truncate").Int(0, 1, modbus.MaxASCII),
		Duplicate: m.Get("duplicate").Int(0, 1, MaxDuplicate), Noise: decodeNoise(m.Get("noise")),
		Echo: m.Get("echo").Bool(false), Delay: m.Get("delay").Duration(0, time.Millisecond, MaxDelay),
		Drip: decodeDrip(m.Get("drip")), Close: m.Get("close").Bool(false),
	}
	wanted := slices.ContainsFunc(acts, func(key string) bool { return m.Get(key).Present() })
	if err := f.Check(); n.IsMap() && err != nil && !(wanted && errors.Is(err, errNothing)) { // that one is reported
		n.Problemf("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return f
}

// decodeProbability reads a number above 0 and up to 1, or 0 for what is not there.
func decodeProbability(n strictyaml.Node) float64 {
	if !n.Present() {
		return 0
	}
	p := n.Float(1, 0, 1)
	if p == 0 {
		n.Problemf("it is above 0 and up to 1: to have no fault, remove it")
	}
	return p
}

// acts are the keys of what goes wrong if they have any value that they can have.
var acts = []string{
	"drop", "exception", "short", "reply", "wrong_unit", "wrong_transaction", "raw", "truncate", "duplicate", "noise", "delay", "drip",
}

func decodeNoise(n strictyaml.Node) Noise {
	if !n.Present() {
		return Noise{}
	}
	m := n.Map()
	defer m.Done()
	noise := Noise{m.Get("before").Int(0, 0, MaxNoise), m.Get("after").Int(0, 0, MaxNoise), decodeHex(m.Get("bytes"))}
	if n.IsMap() && noise.Before+noise.After == 0 {
		n.Problemf("say how many bytes come before or after the reply, such as {before: 3}")
		return Noise{}
	}
	return noise
}

func decodeDrip(n strictyaml.Node) Drip {
	if !n.Present() {
		return Drip{}
	}
	m := n.Map()
	defer m.Done()
	d := Drip{m.Need("bytes").Int(0, 1, MaxRaw), m.Need("every").Duration(0, time.Millisecond, MaxDelay)}
	if d.Bytes == 0 || d.Every == 0 {
		return Drip{} // reported
	}
	return d
}

func decodeWords(n strictyaml.Node) []string {
	var words []string
	for _, item := range n.ListOrOne() {
		words = append(words, item.String(""))
	}
	return words
}

func decodeHex(n strictyaml.Node) []byte {
	text := n.String("")
	b, _, err := hextext.Parse([]byte(text))
	if err != nil || n.Present() && len(b) == 0 && !n.IsList() && !n.IsMap() {
		n.Problemf(`expected bytes in hex, such as "01 04 02 01 31", got %s`, n.Shown())
	}
	return b
}

func decodeRanges(n strictyaml.Node) []match.Range {
	var ranges []match.Range
	for _, item := range n.ListOrOne() {
		text := item.String("")
		if item.IsList() || item.IsMap() {
			continue // reported
		}
		r, err := match.ParseRange(text)
		if err != nil {
			item.Problemf("%v", err)
		}
		ranges = append(ranges, r)
	}
	return ranges
}
