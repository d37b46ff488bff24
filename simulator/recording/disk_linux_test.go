package recording_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"modferry/gateway/store/storetest"
	"modferry/modbus"
	"modferry/simulator/recording"
)

// A full disk is one sentence, and what was there stays as it was.
func TestFullDisk(t *testing.T) {
	dir := storetest.SmallDisk(t, 64)
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
	if err == nil || !strings.Contains(err.Error(), ": the disk is full") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a full disk: %v", err)
	}
	if got := entries(t, out); !slices.Equal(got, []string{recording.ConfigFile, recording.ValuesFile}) || len(file(t, out, recording.ValuesFile)) < len(before) {
		t.Errorf("in the folder are %v", got)
	}
	replay(t, out)
}
