package recording

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Folder is where a recording is put.
type Folder struct {
	path string
	made bool
}

// temporary begins the names of files that are not whole yet.
const temporary = ".recording-"

// OpenFolder makes the folder, and tries that files can be written there. One that is
// not empty is taken only if replace is true; then the files of the recording replace
// those of their names.
func OpenFolder(path string, replace bool) (*Folder, error) {
	entries, err := os.ReadDir(path)
	f := &Folder{path: path, made: errors.Is(err, os.ErrNotExist)}
	if err != nil && !f.made {
		return nil, fmt.Errorf("cannot use the folder: %w", err)
	}
	left := slices.DeleteFunc(slices.Clone(entries), func(e os.DirEntry) bool { return !strings.HasPrefix(e.Name(), temporary) })
	if len(entries) > len(left) && !replace {
		return nil, fmt.Errorf("the folder %s is not empty: name another one, or add --force to replace the recording in it", path)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the folder: %w", err)
	}
	for _, e := range left { // by a recorder that was killed
		_ = os.Remove(filepath.Join(path, e.Name())) // one more is in nobody's way
	}
	probe, err := os.CreateTemp(path, temporary+"*")
	if err != nil {
		return nil, fmt.Errorf("cannot write into the folder: %w", err)
	}
	return f, errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// Abandon removes the folder if it was made here and nothing is in it.
func (f *Folder) Abandon() {
	if f.made {
		_ = os.Remove(f.path) // it is kept if anything is in it
	}
}

// Save writes the files. Each is whole at every moment: the old one, or the new one; and
// both are on the disk before the first of them takes its place.
func (f *Folder) Save(c *Recording) (err error) {
	var all []whole
	defer func() {
		for _, w := range all {
			_ = os.Remove(w.temporary) // it is there after an error only, and of no use
		}
	}()
	contents := map[string]func(io.Writer) error{ConfigFile: c.writeConfig}
	if c.Moving > 0 {
		contents[ValuesFile] = c.writeValues
	}
	for _, name := range []string{ValuesFile, ConfigFile} {
		if contents[name] == nil {
			continue
		}
		w := whole{path: filepath.Join(f.path, name)}
		err := w.write(contents[name])
		if all = append(all, w); err != nil {
			return notWritten(w.path, err)
		}
	}
	for _, w := range all {
		if err := os.Rename(w.temporary, w.path); err != nil {
			return notWritten(w.path, err)
		}
	}
	if c.Moving == 0 {
		if err := os.Remove(filepath.Join(f.path, ValuesFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("cannot remove the values of an older recording: %w", err)
		}
	}
	return nil
}

// whole is a file that is to take the place of another.
type whole struct{ path, temporary string }

// write writes the file beside its place; all of it is on the disk then.
func (w *whole) write(content func(io.Writer) error) error {
	t, err := os.CreateTemp(filepath.Dir(w.path), temporary+"*")
	if err != nil {
		return err
	}
	w.temporary = t.Name()
	err = content(t)
	if err == nil {
		err = t.Chmod(0o644)
	}
	if err == nil {
		err = t.Sync()
	}
	return errors.Join(err, t.Close())
}

// notWritten says it without the name of the temporary file.
func notWritten(path string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("cannot write %s: the disk is full; what was saved there before is whole: free some space and record again", path)
	}
	var at *os.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("cannot write %s: %w", path, err)
}
