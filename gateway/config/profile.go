package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"modferry/configs/strictyaml"
	"modferry/gateway/message"
	"modferry/modbus/profile"
)

// profiles reads the name of the folder with the user's own profiles.
func (d *decoder) profiles(n strictyaml.Node) string {
	folder := d.path(n)
	if folder == "" {
		return ""
	}
	if _, err := d.options.ReadDir(folder); errors.Is(err, fs.ErrNotExist) {
		n.Problemf("there is no folder %s: create it, or remove the key", n.Shown())
	} else if err != nil {
		n.Problemf("cannot read the folder %s: %v", n.Shown(), reason(err))
	}
	return folder
}

// profile returns what the profile says, or what is so without one. It is not usable
// if there should be one and it cannot be loaded, which is reported.
func (d *decoder) profile(n strictyaml.Node) (p profile.Profile, usable bool) {
	p = profile.Profile{Every: profile.DefaultEvery, Heartbeat: profile.DefaultHeartbeat, Limits: profile.DefaultLimits()}
	name, ok := n.Text()
	if !ok {
		return p, !n.Present()
	}
	var loaded *profile.Profile
	err := fs.ErrNotExist
	if message.ValidName(name) {
		loaded, err = d.load(name)
	}
	var mistakes strictyaml.Problems
	switch {
	case errors.Is(err, fs.ErrNotExist):
		n.Problemf("there is no profile %s%s", n.Shown(), known(n, d.profileNames()))
	case errors.As(err, &mistakes):
		n.Problemf("the profile has mistakes: %s", strings.ReplaceAll(mistakes.Error(), "\n", "; "))
	case err != nil:
		n.Problemf("cannot read the profile: %v", reason(err))
	default:
		for _, w := range loaded.Warnings {
			n.Warnf("the profile: %s", w.String())
		}
		return *loaded, true
	}
	return p, false
}

// load reads a profile, the user's own before the built-in one of the same name.
func (d *decoder) load(name string) (*profile.Profile, error) {
	if d.own != "" {
		file := filepath.Join(d.own, name+".yaml")
		data, err := d.options.ReadFile(file)
		if err == nil {
			return profile.Parse(file, data)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if !slices.Contains(d.builtIn(), name) {
		return nil, fs.ErrNotExist
	}
	return profile.Load(d.options.Profiles, name)
}

func (d *decoder) builtIn() []string {
	if d.options.Profiles == nil {
		return nil
	}
	return profile.Names(d.options.Profiles)
}

// profileNames returns the names of all profiles, sorted.
func (d *decoder) profileNames() []string {
	names := slices.Clone(d.builtIn())
	if d.own != "" {
		files, _ := d.options.ReadDir(d.own) // that it cannot be read is reported at its key
		for _, f := range files {
			if name, ok := strings.CutSuffix(f.Name(), ".yaml"); ok && message.ValidName(name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
