//go:build unix

package plainfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"modferry/configs/plainfile"
	"modferry/configs/plainfile/plainfiletest"
)

// What is no file is refused at once, whatever it is and whatever leads to it.
func TestNoFile(t *testing.T) {
	pipe := plainfiletest.Pipe(t)
	dir := filepath.Dir(pipe)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{pipe: "no file but a pipe", link: "no file but a pipe", os.DevNull: "no file but a device", "/dev/zero": "no file but a device", dir: "directory"} {
		for how, read := range map[string]func() error{
			"read":     func() error { _, err := plainfile.Read(name); return err },
			"key pair": func() error { _, err := plainfile.KeyPair(name, name); return err },
		} {
			plainfiletest.Refused(t, how, want, read)
			plainfiletest.Refused(t, how, name, read)
		}
	}
}

func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if _, err := plainfile.Read(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := plainfile.Read(name); err != nil || string(data) != "text" {
		t.Errorf("%q, %v", data, err)
	}
	if data, err := plainfile.ReadMost(name, 4); err != nil || string(data) != "text" {
		t.Errorf("%q, %v", data, err)
	}
	if data, err := plainfile.ReadMost(name, 3); err == nil || data != nil || !strings.Contains(err.Error(), "more than 3 bytes") {
		t.Errorf("too much: %q, %v", data, err)
	}
	if data, err := plainfile.ReadMost(name, 4); err != nil || string(data) != "text" {
		t.Errorf("%q, %v", data, err)
	}
	if data, err := plainfile.ReadMost(name, 3); err == nil || data != nil || !strings.Contains(err.Error(), "more than 3 bytes") {
		t.Errorf("too much: %q, %v", data, err)
	}
	if err := os.Truncate(name, plainfile.MaxSize+1); err != nil {
		t.Fatal(err)
	}
	if _, err := plainfile.Read(name); err == nil || !strings.Contains(err.Error(), "more than 64 MiB") {
		t.Errorf("a file without end: %v", err)
	}
}
