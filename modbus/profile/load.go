package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"modferry/configs/plainfile"
	"modferry/configs/strictyaml"
)

const folder = "profiles"

var names = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Load reads profiles/<name>.yaml of fsys. The error for a name that is not there
// lists those that are.
func Load(fsys fs.FS, name string) (*Profile, error) {
	file := path.Join(folder, name+".yaml")
	if !names.MatchString(name) {
		return nil, unknown(fsys, name)
	}
	data, err := fs.ReadFile(fsys, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unknown(fsys, name)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read profile %q: %w", name, err)
	}
	return Parse(file, data)
}

// LoadFile reads a profile from a file of the user's own, which names it.
func LoadFile(file string) (*Profile, error) {
	if name := strings.TrimSuffix(filepath.Base(file), ".yaml"); !names.MatchString(name) {
		return nil, fmt.Errorf("%q cannot name a profile: name its file by 1 to 64 letters, digits, _ or - and .yaml", name)
	}
	data, err := plainfile.ReadMost(file, strictyaml.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("cannot read the profile: %w", err)
	}
	return Parse(file, data)
}

// Names returns the names of the profiles in fsys, sorted.
func Names(fsys fs.FS) []string {
	files, err := fs.Glob(fsys, folder+"/*.yaml")
	if err != nil {
		return nil // only a malformed pattern fails
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(path.Base(file), ".yaml")
	}
	return files
}

func unknown(fsys fs.FS, name string) error {
	known := Names(fsys)
	if len(known) == 0 {
		return fmt.Errorf("there is no profile %q: no profiles are there", name)
	}
	return fmt.Errorf("there is no profile %q: known are %s", name, strings.Join(known, ", "))
}

// Parse reads the text of a profile; file is its name for messages, and names the
// profile. All mistakes are reported at once, as [strictyaml.Problems].
func Parse(file string, data []byte) (*Profile, error) {
	doc := strictyaml.Parse(file, data, strictyaml.Options{})
	p := decode(doc.Root())
	p.Name = strings.TrimSuffix(path.Base(strings.ReplaceAll(file, `\`, "/")), ".yaml")
	if err := doc.Err(); err != nil {
		return nil, err
	}
	p.Warnings = doc.Warnings()
	p.Locate(filepath.Dir(file))
	return p, nil
}
