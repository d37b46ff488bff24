//go:build !linux && !darwin

package transport

import "os"

// claim does nothing: where it matters, on Windows, ports are exclusive by themselves.
func claim(string) (*os.File, error) { return nil, nil }

func portGroup(string) string { return "dialout" }
