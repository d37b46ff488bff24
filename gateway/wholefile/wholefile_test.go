package wholefile_test

import (
	"os"
	"path/filepath"
	"testing"

	"modferry/gateway/wholefile"
)

func TestWrite(t *testing.T) {
	for name, write := range map[string]func(string, []byte) error{"Write": wholefile.Write, "WriteSynced": wholefile.WriteSynced} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "missing", "file")
			for _, content := range []string{"a longer content", "short", ""} {
				if err := write(path, []byte(content)); err != nil {
					t.Fatal(err)
				}
				expect(t, path, content)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("others may read it: %v, %v", info.Mode(), err)
			}
		})
	}
}

// A file that cannot be replaced stays, and nothing is left beside it.
func TestWriteFails(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "file")
	inside := filepath.Join(path, "inside")
	if err := wholefile.Write(inside, []byte("kept")); err != nil { // so the file is a folder that is not empty
		t.Fatal(err)
	}
	if err := wholefile.WriteSynced(path, []byte("new")); err == nil {
		t.Error("a folder was replaced")
	}
	expect(t, inside, "kept")
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("there is %v, %v", left, err)
	}
	if err := wholefile.Write(filepath.Join(inside, "below a file"), nil); err == nil {
		t.Error("a file is no folder")
	}
}

func expect(t *testing.T, path, content string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != content {
		t.Fatalf("there is %q, %v; want %q", got, err, content)
	}
}
