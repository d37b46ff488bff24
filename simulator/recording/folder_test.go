package recording_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"modferry/modbus"
	"modferry/simulator/recording"
)

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// A folder with something in it is only taken if it is to be replaced, and then only
// the recording's files are.
func TestFolders(t *testing.T) {
	dir := t.TempDir()
	if _, err := recording.OpenFolder(dir, false); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
	for _, name := range []string{"notes.txt", recording.ValuesFile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := recording.OpenFolder(dir, false); err == nil || !strings.Contains(err.Error(), "not empty") || !strings.Contains(err.Error(), "--force") {
		t.Errorf("a folder in use: %v", err)
	}
	f, err := recording.OpenFolder(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	device := &paper{reply: func(q modbus.PDU) (modbus.PDU, error) { return zeros(q), nil }}
	if _, err := record(t, recording.Options{Line: device, Count: 2, Save: f.Save}); err != nil {
		t.Fatal(err)
	}
	f.Abandon()
	if got := entries(t, dir); !slices.Equal(got, []string{"notes.txt", recording.ConfigFile}) || file(t, dir, "notes.txt") != "mine" {
		t.Errorf("in the folder are %v", got) // nothing moved: the older values are gone
	}
	killed := t.TempDir()
	if err := os.WriteFile(filepath.Join(killed, ".recording-1234"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := recording.OpenFolder(killed, false); err != nil || len(entries(t, killed)) > 0 {
		t.Errorf("what a killed recorder left: %v, %v", err, entries(t, killed))
	}
	made := filepath.Join(dir, "made")
	if f, err = recording.OpenFolder(made, false); err != nil {
		t.Fatal(err)
	}
	f.Abandon()
	if _, err := os.Stat(made); err == nil {
		t.Error("a folder without a recording is left behind")
	}
	if _, err := recording.OpenFolder(filepath.Join(dir, "notes.txt"), true); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("a file as the folder: %v", err)
	}
}
