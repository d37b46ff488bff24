package transport

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/creack/pty"

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

// BenchmarkRTUPty reads one register at 115200 baud. A pseudo terminal has no
// speed, so what it takes is the frame gap (1.75 ms) and our own time.
func BenchmarkRTUPty(b *testing.B) {
	master, slave, err := pty.Open()
	if err != nil {
		b.Fatal(err)
	}
	defer master.Close()
	path := slave.Name()
	line := NewStream(StreamOptions{Open: DialSerial(SerialOptions{Path: path, Baud: 115200})})
	defer line.Close()
	if err := line.Connect(b.Context()); err != nil {
		b.Fatal(err)
	}
	_ = slave.Close()
	go answerPty(master)
	request := readOne(modbus.RTU, 1, 0)
	for b.Loop() {
		if _, err := line.Send(request); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(time.Duration(b.N)*fastSilence)/float64(b.Elapsed()), "gap/total")
}

// answerPty answers RTU requests of 8 bytes until the terminal is closed.
func answerPty(master *os.File) {
	request := make([]byte, 8)
	for {
		if _, err := io.ReadFull(master, request); err != nil {
			return
		}
		q, err := modbus.ParseRTU(request)
		if err != nil {
			continue
		}
		q.PDU = *addressAsValue(q)
		if _, err := master.Write(modbus.AppendRTU(nil, q)); err != nil {
			return
		}
	}
}
