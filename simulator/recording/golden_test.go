package recording_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"modferry/simulator/recording"
)

var update = flag.Bool("update", false, "write the golden files")

// The files are as they always were.
func TestGoldenFiles(t *testing.T) {
	device := open(t, "x.yaml", []byte(everything))
	_, dir := device.record(t, recording.Options{Unit: 3, Spans: allOfEverything, Count: 10})
	for _, name := range []string{recording.ConfigFile, recording.ValuesFile} {
		got, golden := file(t, dir, name), filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := file(t, "testdata", name); got != want {
			t.Errorf("%s is\n%s\nwant\n%s\n(go test -update writes it)", name, got, want)
		}
	}
}
