//go:build !unix

package screen

// listen: a console's reads cannot be ended, so there are no keys but Ctrl-C.
func (s *Screen) listen() {}
