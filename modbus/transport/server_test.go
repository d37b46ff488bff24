package transport

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"modferry/modbus"
)

// tcpServer is a scripted Modbus TCP server.
type tcpServer struct {
	net.Listener
	mu       sync.Mutex
	accepted int
	open     map[net.Conn]bool
	handlers sync.WaitGroup
}

// listenTCP serves each connection with handle until the test ends.
func listenTCP(t testing.TB, address string, handle func(conn net.Conn)) *tcpServer {
	t.Helper()
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // has no socket filter
	listener, err := plain.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &tcpServer{Listener: listener, open: map[net.Conn]bool{}}
	s.handlers.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.accepted++
			s.open[conn] = true
			s.mu.Unlock()
			s.handlers.Go(func() {
				handle(conn)
				_ = conn.Close()
				s.mu.Lock()
				delete(s.open, conn)
				s.mu.Unlock()
			})
		}
	})
	t.Cleanup(s.stop)
	return s
}

func (s *tcpServer) address() string { return s.Addr().String() }

func (s *tcpServer) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// stop closes the listener and all connections.
func (s *tcpServer) stop() {
	_ = s.Close()
	s.mu.Lock()
	for conn := range s.open {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.handlers.Wait()
}

// readTCP reads one Modbus TCP frame.
func readTCP(conn net.Conn, buf []byte) (modbus.ADU, error) {
	if _, err := io.ReadFull(conn, buf[:modbus.HeaderSize]); err != nil {
		return modbus.ADU{}, err
	}
	n, err := modbus.TCPLength(buf[:modbus.HeaderSize])
	if err != nil {
		return modbus.ADU{}, err
	}
	if _, err := io.ReadFull(conn, buf[modbus.HeaderSize:n]); err != nil {
		return modbus.ADU{}, err
	}
	return modbus.ParseTCP(buf[:n])
}

// serveTCP answers every request with answer until the connection ends; a nil PDU is no answer.
func serveTCP(answer func(q modbus.ADU) *modbus.PDU) func(net.Conn) {
	return func(conn net.Conn) {
		buf := make([]byte, modbus.MaxTCP)
		for {
			q, err := readTCP(conn, buf)
			if err != nil {
				return
			}
			pdu := answer(q)
			if pdu == nil {
				continue
			}
			q.PDU = *pdu
			if _, err := conn.Write(modbus.AppendTCP(nil, q)); err != nil {
				return
			}
		}
	}
}

// addressAsValue answers reads of registers with their own addresses as values, so
// that a reply tells which request it belongs to, and repeats writes.
func addressAsValue(q modbus.ADU) *modbus.PDU {
	d := q.PDU.Data
	switch q.PDU.FunctionCode {
	case modbus.ReadHoldingRegisters, modbus.ReadInputRegisters:
		address, quantity := modbus.Registers(d)[0], modbus.Registers(d)[1]
		data := []byte{byte(2 * quantity)}
		for i := range quantity {
			data = modbus.AppendRegisters(data, address+i)
		}
		return &modbus.PDU{FunctionCode: q.PDU.FunctionCode, Data: data}
	case modbus.WriteSingleRegister, modbus.WriteSingleCoil:
		return &modbus.PDU{FunctionCode: q.PDU.FunctionCode, Data: d}
	}
	pdu := modbus.ExceptionPDU(q.PDU.FunctionCode, modbus.IllegalFunction)
	return &pdu
}

// readOne is the request ADU for one holding register, in the framing of line.
func readOne(framing modbus.Framing, unit byte, address uint16) []byte {
	return framing.Append(nil, modbus.ADU{Transaction: 7, Unit: unit, PDU: modbus.ReadRequest(modbus.ReadHoldingRegisters, address, 1)})
}

var errWrongValue = errors.New("the reply is another request's")

// checkOne returns errWrongValue unless reply is that of addressAsValue to readOne.
func checkOne(framing modbus.Framing, reply []byte, unit byte, address uint16) error {
	a, err := framing.Parse(reply)
	if err != nil {
		return err
	}
	if a.Unit != unit || len(a.PDU.Data) != 3 || modbus.Registers(a.PDU.Data[1:])[0] != address {
		return errWrongValue
	}
	if framing == modbus.TCP && a.Transaction != 7 {
		return errors.New("the reply has not the caller's transaction id")
	}
	return nil
}
