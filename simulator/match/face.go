package match

import (
	"slices"

	"modferry/modbus"
)

// Kinds of faces.
const (
	FaceTCP          = "tcp"            // Modbus TCP
	FaceTLS          = "tls"            // Modbus TCP over TLS
	FaceUDP          = "udp"            // the same frames in datagrams
	FaceRTUOverTCP   = "rtu_over_tcp"   // RTU frames on TCP connections
	FaceASCIIOverTCP = "ascii_over_tcp" // likewise ASCII
	FacePTY          = "pty"
	FaceSerial       = "serial"
	FaceMemory       = "memory" // in this process
	FaceMQTT         = "mqtt"   // frames in messages, as a transparent DTU passes them on
)

var faces = []string{FaceTCP, FaceTLS, FaceUDP, FaceRTUOverTCP, FaceASCIIOverTCP, FacePTY, FaceSerial, FaceMemory, FaceMQTT}

// Kind is what faults need to know of a face.
type Kind struct {
	Name    string // FaceTCP and so on
	Framing modbus.Framing
	Closes  bool // it has connections, which can be closed
}

// Faces returns all kinds of faces.
func Faces() []string { return slices.Clone(faces) }
