// Package wholefile replaces files as a whole: who reads one, also after a kill, finds
// all of the old content or all of the new.
package wholefile

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Write replaces a file, and makes its folder if it is missing. It does not wait for
// the disk: after a power cut the content may be older, or gone.
func Write(path string, data []byte) error {
	return write(path, data, func(*os.File) error { return nil })
}

// WriteSynced is [Write], but waits until the content would survive a power cut.
func WriteSynced(path string, data []byte) error {
	if err := write(path, data, (*os.File).Sync); err != nil {
		return err
	}
	_ = SyncDir(filepath.Dir(path)) // not every file system can; either content is whole
	return nil
}

func write(path string, data []byte, finish func(*os.File) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	fresh := path + ".new"
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = cmp.Or(err, finish(f), f.Close()); err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		_ = os.Remove(fresh)
	}
	return err
}

// SyncDir makes renames and removals in a folder durable.
func SyncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil // has no such thing
	}
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot sync the directory: %w", err)
	}
	defer dir.Close()
	return dir.Sync()
}
