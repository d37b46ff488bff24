package config

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"modferry/configs/plainfile"
	"modferry/configs/strictyaml"
	"modferry/modbus/profile"
	"modferry/simulator/match"
)

// csvColumns are the columns of a list of registers; the first two are needed.
var csvColumns = []string{"table", "address", "type", "value", "access", "name", "count", "order", "scale"}

const (
	maxListed    = 10_000 // rows of such a list, of which each is compared with all others
	maxListBytes = 4 << 20
)

// readRegisters reads the registers of a device from a CSV file, whose first line has
// the names of the columns.
func readRegisters(file string) ([]profile.Register, error) {
	f, err := plainfile.OpenTable(file, maxListBytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read the registers: %w", err)
	}
	defer f.Close()
	registers, err := parseRegisters(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return registers, nil
}

// parseRegisters writes each row as a register of a profile, one a line, and lets it
// be read as such: what holds there holds here.
func parseRegisters(text io.Reader) ([]profile.Register, error) {
	rows := csv.NewReader(text)
	rows.Comment, rows.TrimLeadingSpace = '#', true
	head, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("the first line must have the names of the columns: %w", err)
	}
	if err := checkColumns(head); err != nil {
		return nil, err
	}
	var lines []int // in the file, by those of the profile from the second on
	var written strings.Builder
	written.WriteString("registers:\n")
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err // it names the line
		}
		line, _ := rows.FieldPos(0)
		register, err := writeRegister(head, row)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if lines = append(lines, line); len(lines) > maxListed {
			return nil, fmt.Errorf("it has more than %d rows: describe large areas with tables", maxListed)
		}
		fmt.Fprintf(&written, "  %s\n", register)
	}
	if len(lines) == 0 {
		return nil, errors.New("there are no registers after the first line")
	}
	return readWritten(written.String(), lines)
}

func checkColumns(head []string) error {
	for i := range head {
		head[i] = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(head[i], "\ufeff")))
		if !slices.Contains(csvColumns, head[i]) {
			return fmt.Errorf("there is no column %q: known are %s", match.Shortened(head[i]), strings.Join(csvColumns, ", "))
		}
		if slices.Contains(head[:i], head[i]) {
			return fmt.Errorf("the column %s is there twice: keep one", head[i])
		}
	}
	for _, needed := range csvColumns[:2] {
		if !slices.Contains(head, needed) {
			return fmt.Errorf("the column %s is missing", needed)
		}
	}
	return nil
}

func readWritten(text string, lines []int) ([]profile.Register, error) {
	doc := strictyaml.Parse("", []byte(text), strictyaml.Options{})
	p := profile.DecodeDevice(doc.Root().Map())
	var problems strictyaml.Problems
	if !errors.As(doc.Err(), &problems) {
		return p.Registers, doc.Err()
	}
	var all []error
	for _, problem := range problems {
		line := lines[min(max(problem.Line-2, 0), len(lines)-1)]
		all = append(all, fmt.Errorf("line %d: %s", line, problem.Message))
	}
	return nil, errors.Join(all...)
}

var accesses = regexp.MustCompile(`^(?:rw|ro(?::0?([1-4]))?)$`)

// writeRegister writes a row as a register, in JSON, which is YAML.
func writeRegister(head, row []string) (string, error) {
	cell := map[string]string{}
	for i, name := range head {
		if text := strings.TrimSpace(row[i]); text != "" {
			cell[name] = text
		}
	}
	table := strings.ToLower(cell["table"])
	if !slices.Contains([]string{"coil", "discrete", "input", "holding"}, table) {
		return "", fmt.Errorf("expected coil, discrete, input or holding as the table, got %q", match.Shortened(cell["table"]))
	}
	keys := map[string]any{table: json.RawMessage(quoted(cell["address"]))}
	isBit := table == "coil" || table == "discrete"
	if text := cmp.Or(cell["type"], "uint16"); !isBit || text != "uint16" {
		keys["type"] = text
	}
	for _, name := range []string{"count", "order", "scale"} {
		if cell[name] != "" {
			keys[name] = json.RawMessage(quoted(cell[name]))
		}
	}
	if v := cell["value"]; v != "" {
		keys["initial"] = json.RawMessage(quoted(content(v)))
	}
	access := accesses.FindStringSubmatch(strings.ToLower(cmp.Or(cell["access"], "rw")))
	switch canBeWritten := table == "coil" || table == "holding"; {
	case access == nil:
		return "", fmt.Errorf("expected rw, ro, or ro:3 for an exception other than 02, as the access, got %q", match.Shortened(cell["access"]))
	case cell["access"] != "" && strings.HasPrefix(access[0], "rw") && !canBeWritten:
		return "", fmt.Errorf("nothing of the table %s can be written: its access is ro", table)
	case strings.HasPrefix(access[0], "ro") && canBeWritten:
		keys["read_only"] = true
	}
	if access[1] != "" && keys["read_only"] != nil {
		keys["refusal"] = json.RawMessage(access[1])
	}
	b, err := json.Marshal(keys)
	return cmp.Or(cell["name"], table+"-"+cell["address"]) + ": " + string(b), err
}

var plainNumber = regexp.MustCompile(`^(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?)$`)

// quoted returns a text as JSON: a number if it is one.
func quoted(text string) string {
	if plainNumber.MatchString(text) {
		return text
	}
	if n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(text), "0x"), 16, 64); err == nil && strings.HasPrefix(strings.ToLower(text), "0x") {
		return strconv.FormatUint(n, 10)
	}
	b, err := json.Marshal(text)
	if err != nil {
		return `""`
	}
	return string(b)
}

// content is a value as a register holds it; bits may be words.
func content(text string) string {
	switch strings.ToLower(text) {
	case "true", "on":
		return "1"
	case "false", "off":
		return "0"
	}
	return text
}
