package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"modferry/configs"
	"modferry/gateway/config"
)

// pages are the documents people read, with their text.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/howto/*.md", "../../examples/*.md", "../../examples/*/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all[f] = string(text)
		}
	}
	if len(all) < 6 {
		t.Fatalf("only %d pages found", len(all))
	}
	return all
}

func blocks(text, language string) []string {
	var found []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// Every link to a file of this repository leads somewhere.
func TestDocsLinksLeadSomewhere(t *testing.T) {
	for page, text := range pages(t) {
		for _, m := range regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
	}
}

// Every whole configuration in the documents is good.
func TestDocsConfigurationsAreGood(t *testing.T) {
	whole := 0
	for page, text := range pages(t) {
		for _, block := range blocks(text, "yaml") {
			if !strings.HasPrefix(block, "gateway:") {
				continue
			}
			whole++
			if _, err := config.Parse(page, []byte(block), config.Options{
				Profiles: configs.Files, Env: func(string) (string, bool) { return "secret", true },
				ReadFile: func(string) ([]byte, error) { return []byte("secret"), nil },
			}); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
	if whole == 0 {
		t.Error("no configuration found in any page")
	}
}

// Every command of this program that the documents show exists, with its flags;
// decode and check are run as they stand.
func TestDocsCommandsWork(t *testing.T) {
	seen := 0
	for page, text := range pages(t) {
		for _, block := range blocks(text, "sh") {
			for line := range strings.Lines(block) {
				args, ok := commandLine(line)
				if !ok {
					continue
				}
				seen++
				if args[0] == "decode" || args[0] == "check" {
					if code, out, errs := modferry(t, args...); code != exitGood {
						t.Errorf("%s: %s gives exit code %d\n%s%s", page, strings.TrimSpace(line), code, out, errs)
					}
					continue
				}
				c, rest, err := command().Find(args)
				if err != nil {
					t.Errorf("%s: %s: %v", page, line, err)
				} else if err := c.ParseFlags(rest); err != nil && !strings.Contains(err.Error(), "help requested") {
					t.Errorf("%s: %s: %v", page, line, err)
				}
			}
		}
	}
	if seen < 8 {
		t.Errorf("only %d commands found", seen)
	}
}

// commandLine returns the arguments of a line that runs modferry.
func commandLine(line string) ([]string, bool) {
	line, _, _ = strings.Cut(line, " #")
	for _, program := range []string{"go run ./cmd/modferry ", "bin/modferry ", "modferry "} {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line)+" ", program); ok {
			var args []string
			for _, m := range regexp.MustCompile(`"([^"]*)"|(\S+)`).FindAllStringSubmatch(rest, -1) {
				arg := strings.TrimPrefix(m[1]+m[2], "configs/")
				if strings.HasSuffix(arg, ".yaml") { // a file of the reader's, as the example of that name
					arg = "../../configs/" + arg
				}
				args = append(args, arg)
			}
			return args, len(args) > 0
		}
	}
	return nil, false
}
