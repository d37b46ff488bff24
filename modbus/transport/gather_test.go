package transport_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/transport"
)

// Requests that leave together get each its own reply, or an error, also where the
// server ends the connection again and again between them.
func TestRequestsThatLeaveTogether(t *testing.T) {
	for name, replies := range map[string]int{"a lasting connection": 1 << 30, "one that ends after 100 replies": 100} {
		t.Run(name, func(t *testing.T) {
			addr := ending(t, replies)
			tcp := transport.NewTCP(transport.TCPOptions{Address: addr, InFlight: 16, Timeout: 5 * time.Second})
			defer tcp.Close()
			var asking sync.WaitGroup
			var good, failed [16]int
			for g := range 16 {
				asking.Go(func() {
					for i := range 200 {
						address := uint16(g<<8 | i)
						reply, err := tcp.SendContext(context.Background(), modbus.AppendTCP(nil, modbus.ADU{Transaction: 7, Unit: 1, PDU: modbus.ReadRequest(3, address, 1)}))
						var wrong *transport.Error
						switch {
						case errors.As(err, &wrong):
							failed[g]++
						case err != nil || binary.BigEndian.Uint16(reply[9:]) != address || binary.BigEndian.Uint16(reply) != 7:
							t.Errorf("register %d: % X, %v", address, reply, err)
						default:
							good[g]++
						}
					}
				})
			}
			asking.Wait()
			for g := range 16 {
				if good[g] == 0 || replies > 100 && failed[g] > 0 {
					t.Errorf("%d good replies and %d errors", good[g], failed[g])
				}
			}
		})
	}
}

// ending is a server whose registers hold their address. It ends a connection after so
// many replies.
func ending(t *testing.T, replies int) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				in := bufio.NewReader(c)
				request := make([]byte, 12)
				for range replies {
					if _, err := io.ReadFull(in, request); err != nil {
						return
					}
					a, err := modbus.ParseTCP(request)
					if err != nil {
						return
					}
					a.PDU.Data = append([]byte{2}, a.PDU.Data[:2]...)
					if _, err := c.Write(modbus.AppendTCP(nil, a)); err != nil {
						return
					}
				}
			})
		}
	})
	return l.Addr().String()
}
