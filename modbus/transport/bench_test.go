package transport

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

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

// slowServer answers each request 5 ms after it came, whatever else it has to do.
func slowServer(conn net.Conn) {
	var answering sync.WaitGroup
	defer answering.Wait()
	for {
		q, err := readTCP(conn, make([]byte, modbus.MaxTCP))
		if err != nil {
			return
		}
		answering.Go(func() {
			time.Sleep(5 * time.Millisecond)
			q.PDU = *addressAsValue(q)
			_, _ = conn.Write(modbus.AppendTCP(nil, q))
		})
	}
}

// BenchmarkTCPSlowDevice has one operation on a line with 16 requests in flight, and
// shows how many times more that line does than one with a single request in flight.
func BenchmarkTCPSlowDevice(b *testing.B) {
	server := listenTCP(b, "127.0.0.1:0", slowServer)
	many := NewTCP(TCPOptions{Address: server.address(), InFlight: 16})
	defer many.Close()
	one := NewTCP(TCPOptions{Address: server.address()})
	defer one.Close()

	const alone = 100
	request := readOne(modbus.TCP, 1, 0)
	began := time.Now()
	for range alone {
		if _, err := one.Send(request); err != nil {
			b.Fatal(err)
		}
	}
	rate := alone / time.Since(began).Seconds()

	b.SetParallelism(8) // 16 callers and more
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := many.Send(request); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "transactions/s")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/rate, "x-in-flight-1")
}
