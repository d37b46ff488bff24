package watch

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"modferry/configs/plainfile"
)

// maxFile is how much of a file is read, more than a configuration may have.
const maxFile = 4 << 20

// maxLinks is how many symbolic links one path may lead through, as in Linux.
const maxLinks = 40

// Files are files as they were when they were read, the missing ones too. The zero
// value has none. Its methods may be called from any goroutine.
type Files struct {
	mu   sync.Mutex
	seen map[string]digest
}

// digest tells whether a file still has what was read: not its time, for time stamps are
// too coarse for some file systems and lie after a restored backup.
type digest struct {
	sum    [sha256.Size]byte
	failed string // why it could not be read
}

// ReadFile reads a file and remembers how it was.
func (f *Files) ReadFile(file string) ([]byte, error) {
	data, err := read(file)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil {
		f.seen = map[string]digest{}
	}
	f.seen[file] = digestOf(data, err)
	return data, err
}

// changed reports whether any file is no longer as it was.
func (f *Files) changed() bool {
	for file, before := range f.all() {
		if digestOf(read(file)) != before {
			return true
		}
	}
	return false
}

func (f *Files) all() map[string]digest {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]digest, len(f.seen))
	for file, p := range f.seen {
		all[file] = p
	}
	return all
}

func read(file string) ([]byte, error) {
	f, err := plainfile.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

func digestOf(data []byte, err error) digest {
	var path *fs.PathError
	switch {
	case errors.As(err, &path):
		return digest{failed: path.Err.Error()}
	case err != nil:
		return digest{failed: err.Error()}
	}
	return digest{sum: sha256.Sum256(data)}
}

// places returns what must be watched to notice that another file appears under a
// name: each folder in which a link on the way may be replaced, the folder of the file
// or the nearest one that is there, and the file itself, which can be mounted alone.
func places(file string) []string {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil
	}
	var found []string
	for range maxLinks {
		link, target := firstLink(path)
		if link == "" {
			break
		}
		found = append(found, filepath.Dir(link))
		rest := strings.TrimPrefix(path, link)
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(link), target)
		}
		path = filepath.Join(target, rest)
	}
	if _, err := os.Lstat(path); err == nil {
		found = append(found, path)
	}
	for folder := filepath.Dir(path); ; folder = filepath.Dir(folder) {
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			return append(found, folder)
		}
		if folder == filepath.Dir(folder) {
			return found
		}
	}
}

// firstLink returns the first part of a path that is a symbolic link, "" if none is.
func firstLink(path string) (link, target string) {
	for i := len(filepath.VolumeName(path)) + 1; i <= len(path); i++ {
		if i < len(path) && !os.IsPathSeparator(path[i]) {
			continue
		}
		if info, err := os.Lstat(path[:i]); err != nil {
			return "", ""
		} else if info.Mode()&fs.ModeSymlink != 0 {
			if target, err := os.Readlink(path[:i]); err == nil {
				return path[:i], target
			}
		}
	}
	return "", ""
}
