package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"modferry/gateway/scan"
	"modferry/modbus"
)

// scanResult is what was found, to be printed.
type scanResult struct {
	*scan.Report
	f      scanFlags
	failed error
}

func (r scanResult) busName() string {
	if r.f.bus != "" {
		return r.f.bus
	}
	return "line"
}

// print prints for people or programs, and writes the devices section to the file.
func (r scanResult) print(out io.Writer, file *os.File) error {
	devices := ""
	if len(r.Units) > 0 {
		devices = r.head() + scan.Devices(r.Report, r.busName())
	}
	if file != nil {
		if _, err := file.WriteString(devices); err != nil {
			return fmt.Errorf("cannot write %s: %w", r.f.out, err)
		}
		if err := file.Close(); err != nil {
			return fmt.Errorf("cannot write %s: %w", r.f.out, err)
		}
	}
	if r.f.json {
		return json.NewEncoder(out).Encode(r.document(devices))
	}
	if len(r.Units) == 0 {
		return nil
	}
	for _, u := range r.Units {
		printUnit(out, u)
	}
	if r.Same {
		fmt.Fprintln(out, "Every unit id answers: the server does not look at it, and only the first is described.")
	}
	_, err := fmt.Fprintf(out, "\n%s answered of %s asked%s; %s in %v.\n", count(len(r.Units), "unit", "units"), count(r.Asked, "unit", "units"), r.at(),
		count(r.Requests, "request", "requests"), r.Took.Round(100*time.Millisecond))
	switch {
	case file != nil:
		_, err = fmt.Fprintf(out, "The devices section is in %s.\n", r.f.out)
	case devices != "":
		_, err = fmt.Fprintf(out, "\n%s", devices)
	}
	return err
}

// at says how the port was set.
func (r scanResult) at() string {
	if r.Setting.Baud == 0 {
		return ""
	}
	return fmt.Sprintf(" at %d baud, parity %s", r.Setting.Baud, r.Setting.Parity)
}

// head is a comment about the bus that the devices are on.
func (r scanResult) head() string {
	if r.f.serial == "" {
		return ""
	}
	return fmt.Sprintf("# The bus: %s: {serial: %q, baud: %d, parity: %s, stop_bits: %d, mode: %s}\n",
		r.busName(), r.f.serial, r.Setting.Baud, r.Setting.Parity, r.f.stopBits, r.f.mode)
}

func printUnit(out io.Writer, u *scan.Unit) {
	fmt.Fprintf(out, "Unit %d answers: %s\n", u.Unit, u.Answer)
	row := func(name, text string) {
		if text != "" {
			fmt.Fprintf(out, "  %-15s %s\n", name, text)
		}
	}
	row("identification", strings.Join(objectTexts(u), ", "))
	row("server id", serverText(u))
	row("readable", strings.Join(rangeTexts(u), ", "))
	if u.Partly {
		row("", "there may be more: the requests for this unit were used up (--requests)")
	}
	for i, m := range u.Matches {
		text := fmt.Sprintf("%s, %s: %s", m.Profile.Name, m.Certainty, strings.Join(m.For, "; "))
		if len(m.Against) > 0 {
			text += "; but " + strings.Join(m.Against, "; ")
		}
		if i == 0 {
			row("profile", text)
			row("values", valuesText(u))
		} else {
			row("or", text)
		}
	}
	row("not finished", u.Failed)
}

func valuesText(u *scan.Unit) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(u.Values)) {
		all = append(all, name+" "+scan.Clean(u.Values[name]))
	}
	const most = 8
	if len(all) > most {
		all = append(all[:most], fmt.Sprintf("and %d more", len(all)-most))
	}
	return strings.Join(all, ", ")
}

// objectNames are the objects of function 43/14 [App 6.21].
var objectNames = []string{"vendor", "product code", "revision", "url", "product", "model", "application"}

func objectName(id byte) string {
	if int(id) < len(objectNames) {
		return objectNames[id]
	}
	return fmt.Sprintf("object 0x%02X", id)
}

func objectTexts(u *scan.Unit) []string {
	var all []string
	for _, id := range slices.Sorted(maps.Keys(u.Objects)) {
		all = append(all, fmt.Sprintf("%s %q", objectName(id), scan.Clean(u.Objects[id])))
	}
	return all
}

func serverText(u *scan.Unit) string {
	if u.Server == nil {
		return ""
	}
	return fmt.Sprintf("% X (%q)", u.Server, scan.Clean(string(u.Server)))
}

func rangeTexts(u *scan.Unit) []string {
	var all []string
	for _, r := range u.Ranges {
		text := fmt.Sprintf("%s %d", scan.TableName(r.Table), r.First)
		if r.Last > r.First {
			text += fmt.Sprintf("-%d", r.Last)
		}
		all = append(all, text)
	}
	return all
}

// scanDocument is what was found, for programs.
type scanDocument struct {
	Baud     int        `json:"baud,omitempty"`
	Parity   string     `json:"parity,omitempty"`
	Asked    int        `json:"asked"`
	Complete bool       `json:"complete"`
	Error    string     `json:"error,omitempty"`
	Requests int        `json:"requests"`
	Seconds  float64    `json:"seconds"`
	Same     bool       `json:"every_unit_is_the_same,omitempty"`
	Garbled  []int      `json:"garbled"` // units at whose time there was noise
	Units    []scanUnit `json:"units"`
	YAML     string     `json:"yaml"`
}

type scanUnit struct {
	Unit           byte              `json:"unit"`
	Answer         string            `json:"answer"`
	Late           bool              `json:"late"`
	Identification map[string]string `json:"identification,omitempty"`
	ServerID       string            `json:"server_id,omitempty"` // hex
	Refused        map[string]string `json:"refused,omitempty"`   // why there is no answer, by function
	Ranges         []scanRange       `json:"ranges"`
	Complete       bool              `json:"complete"`
	Profiles       []scanProfile     `json:"profiles"`
	Values         map[string]string `json:"values,omitempty"`
}

type scanRange struct {
	Table string `json:"table"`
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
}

type scanProfile struct {
	Profile   string         `json:"profile"`
	Certainty scan.Certainty `json:"certainty"`
	For       []string       `json:"for"`
	Against   []string       `json:"against,omitempty"`
}

func (r scanResult) document(devices string) scanDocument {
	d := scanDocument{
		Baud: r.Setting.Baud, Parity: r.Setting.Parity, Asked: r.Asked, Complete: r.failed == nil, Requests: r.Requests,
		Seconds: seconds(r.Took), Same: r.Same, Garbled: []int{}, Units: []scanUnit{}, YAML: devices,
	}
	if r.failed != nil {
		d.Error = r.failed.Error()
	}
	for _, unit := range r.Garbled {
		d.Garbled = append(d.Garbled, int(unit))
	}
	for _, u := range r.Units {
		one := scanUnit{
			Unit: u.Unit, Answer: u.Answer, Late: u.Late, ServerID: hex.EncodeToString(u.Server), Ranges: []scanRange{},
			Complete: !u.Partly && u.Failed == "", Profiles: []scanProfile{}, Values: u.Values,
			Identification: map[string]string{}, Refused: map[string]string{},
		}
		for id, text := range u.Objects {
			one.Identification[objectName(id)] = text
		}
		for function, why := range u.Refused {
			one.Refused[modbus.FunctionName(function)] = why
		}
		for _, m := range u.Matches {
			one.Profiles = append(one.Profiles, scanProfile{m.Profile.Name, m.Certainty, m.For, m.Against})
		}
		for _, s := range u.Ranges {
			one.Ranges = append(one.Ranges, scanRange{scan.TableName(s.Table), s.First, s.Last})
		}
		d.Units = append(d.Units, one)
	}
	return d
}
