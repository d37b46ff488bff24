package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"modferry/configs"
	"modferry/gateway/metrics"
)

var update = flag.Bool("update", false, "write the generated parts of docs/")

// The references of commands and configuration keys are generated from the code;
// a page that is behind fails here, and is written anew with -update.
func TestReferencesAreUpToDate(t *testing.T) {
	for page, text := range map[string]string{
		"../../docs/commands.md":      commandReference(),
		"../../docs/configuration.md": keyReference(t),
		"../../docs/devices.md":       deviceReference(t),
		"../../docs/howto/monitor.md": metricReference(),
	} {
		have, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		const begin, end = "<!-- generated from the code -->\n", "<!-- end -->\n"
		head, rest, ok := strings.Cut(string(have), begin)
		_, tail, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s has no generated part", page)
		}
		want := head + begin + text + end + tail
		if want == string(have) {
			continue
		}
		if !*update {
			t.Errorf("%s is behind the code: go test ./cmd/modferry -run References -update", page)
		} else if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func commandReference() string {
	var b strings.Builder
	for _, c := range command().Commands() {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		writeCommand(&b, c)
		for _, sub := range c.Commands() {
			writeCommand(&b, sub)
		}
	}
	return b.String()
}

// writeCommand writes what there is to know about a command.
func writeCommand(b *strings.Builder, c *cobra.Command) {
	fmt.Fprintf(b, "\n## modferry %s\n\n%s\n", strings.TrimPrefix(c.CommandPath(), "modferry "), about(c))
	if c.Example != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", strings.ReplaceAll(strings.TrimSpace(c.Example), "\n  ", "\n"))
	}
	flags := ""
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			flags += flagRow(f)
		}
	})
	if flags != "" {
		fmt.Fprintf(b, "\n| flag | default | |\n|-|-|-|\n%s", flags)
	}
}

func about(c *cobra.Command) string {
	if c.Long != "" {
		return c.Long
	}
	return c.Short + "."
}

func flagRow(f *pflag.Flag) string {
	value, usage := pflag.UnquoteUsage(f)
	name := strings.TrimSpace("--" + f.Name + " " + value)
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	byDefault := f.DefValue
	if byDefault != "" {
		byDefault = "`" + byDefault + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s |\n", name, byDefault, usage)
}

// schema is what the reference needs of the JSON Schema.
type schema struct {
	Ref                  string             `json:"$ref"`
	Description          string             `json:"description"`
	Default              any                `json:"default"`
	Required             []string           `json:"required"`
	Properties           map[string]*schema `json:"properties"`
	AdditionalProperties json.RawMessage    `json:"additionalProperties"`
	Items                *schema            `json:"items"`
	AnyOf                []*schema          `json:"anyOf"`
	Defs                 map[string]*schema `json:"$defs"`
}

func keyReference(t *testing.T) string {
	t.Helper()
	text, err := configs.Files.ReadFile("gateway.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var root schema
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	b := strings.Builder{}
	b.WriteString("\n| key | default | |\n|-|-|-|\n")
	root.rows(&b, "", root.Defs, nil)
	return b.String()
}

// rows writes a row for each key below s. Keys are in alphabetical order within a mapping.
func (s *schema) rows(b *strings.Builder, path string, defs map[string]*schema, seen []string) {
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		if !slices.Contains(seen, name) {
			defs[name].rows(b, path, defs, append(seen, name))
		}
		return
	}
	var names []string
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p := s.Properties[name]
		description := p.Description
		if slices.Contains(s.Required, name) {
			description = strings.TrimSpace("Required. " + description)
		}
		fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", path, name, byDefault(p.Default), strings.ReplaceAll(description, "|", "\\|"))
		p.rows(b, path+name+".", defs, seen)
	}
	var each schema
	if json.Unmarshal(s.AdditionalProperties, &each) == nil {
		each.rows(b, path+"*.", defs, seen)
	}
	if s.Items != nil {
		s.Items.rows(b, strings.TrimSuffix(path, ".")+"[].", defs, seen)
	}
	for _, one := range s.AnyOf {
		if path != "" { // at the root it only says which keys go together
			one.rows(b, path, defs, seen)
		}
	}
}

func byDefault(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf("`%v`", v)
}

// metricReference is the table of all metrics.
func metricReference() string {
	var b strings.Builder
	b.WriteString("\n| metric | kind | |\n|-|-|-|\n")
	for _, m := range metrics.All {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.FullName(), m.Kind, m.Help)
	}
	return b.String()
}
