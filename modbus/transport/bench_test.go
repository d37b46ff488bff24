package transport

import (
	"io"
	"net"
	"testing"

	"modferry/modbus"
)

// plainServer answers each 12-byte request for one register with 11 fixed bytes, as cheaply as Go can.
func plainServer(conn net.Conn) {
	request, reply := make([]byte, 12), []byte{0, 0, 0, 0, 0, 5, 1, 3, 2, 0, 42}
	for {
		if _, err := io.ReadFull(conn, request); err != nil {
			return
		}
		reply[0], reply[1] = request[0], request[1]
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}

// BenchmarkTCPReadOneRegister is to be compared with BenchmarkRawSocket: the
// difference is what matching ids, sharing and noticing a closed connection cost.
func BenchmarkTCPReadOneRegister(b *testing.B) {
	server := listenTCP(b, "127.0.0.1:0", plainServer)
	line := NewTCP(TCPOptions{Address: server.address()})
	defer line.Close()
	request := readOne(modbus.TCP, 1, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := line.Send(request); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRawSocket does the same bytes with a blocking write and read.
func BenchmarkRawSocket(b *testing.B) {
	server := listenTCP(b, "127.0.0.1:0", plainServer)
	conn, err := net.Dial("tcp", server.address())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	request, reply := readOne(modbus.TCP, 1, 0), make([]byte, 11)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, reply); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTCPInFlight16 has 16 callers on one connection.
func BenchmarkTCPInFlight16(b *testing.B) {
	server := listenTCP(b, "127.0.0.1:0", plainServer)
	line := NewTCP(TCPOptions{Address: server.address(), InFlight: 16})
	defer line.Close()
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		request := readOne(modbus.TCP, 1, 0)
		for pb.Next() {
			if _, err := line.Send(request); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
