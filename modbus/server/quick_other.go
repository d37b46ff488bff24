//go:build !linux

package server

import "net"

// quick returns conn in a form that costs less: there is none here.
func quick(conn net.Conn) net.Conn { return conn }
