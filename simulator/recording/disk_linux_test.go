package recording_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"modferry/modbus"
	"modferry/simulator/recording"
)

// A full disk is one sentence, and what was there stays as it was.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		if os.Getuid() == 0 && os.Getenv("MODFERRY_REAL") == "1" {
			t.Fatalf("cannot mount a small disk: %v", err)
		}
		t.Skipf("this user cannot mount a small disk: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	n := byte(0)
	device := &paper{reply: func(q modbus.PDU) (modbus.PDU, error) {
		n++
		p := zeros(q)
		p.Data[2] = n
		return p, nil
	}}
	out := filepath.Join(dir, "out")
	f, err := recording.OpenFolder(out, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := record(t, recording.Options{Line: device, Count: 100, Save: f.Save}); err != nil {
		t.Fatal(err)
	}
	before := file(t, out, recording.ValuesFile)
	_, err = record(t, recording.Options{Line: device, Count: 10_000, Save: f.Save})
	if err == nil || !strings.Contains(err.Error(), "values.csv: the disk is full") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a full disk: %v", err)
	}
	if got := entries(t, out); !slices.Equal(got, []string{recording.ConfigFile, recording.ValuesFile}) || len(file(t, out, recording.ValuesFile)) < len(before) {
		t.Errorf("in the folder are %v", got)
	}
	replay(t, out)
}
