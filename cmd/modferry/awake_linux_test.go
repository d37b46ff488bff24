package main

import (
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"modferry/modbus"
)

// awake is a Modbus TCP device as a processor of its own makes it: it never sleeps. It
// asks its connections again and again, in time that nobody else wants. One that
// sleeps would share the processors of the chain, and to wake it is the machine's
// work, which takes a third of a trip through the broker. Each register holds 305.
func awake() error {
	runtime.LockOSThread()
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
		return fmt.Errorf("cannot take the idle priority: %w", err)
	}
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := unix.Listen(listener, 16); err != nil {
		return err
	}
	name, err := unix.Getsockname(listener)
	if err != nil {
		return err
	}
	fmt.Println((&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*unix.SockaddrInet4).Port}).String())
	const acceptEvery = 1000 // rounds
	var clients []*awakeClient
	for round := 0; ; round++ {
		if round%acceptEvery == 0 {
			if os.Getppid() == 1 {
				return nil
			}
			if fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC); err == nil {
				clients = append(clients, &awakeClient{fd: fd})
			}
		}
		for _, c := range clients {
			c.serve()
		}
	}
}

type awakeClient struct {
	fd, have int
	buf      [4096]byte
}

func (c *awakeClient) serve() {
	n, err := unix.Read(c.fd, c.buf[c.have:])
	if err != nil || n == 0 {
		return
	}
	c.have += n
	var out []byte
	at := 0
	for {
		length, err := modbus.TCPLength(c.buf[at:c.have])
		if err != nil || length == modbus.More || length > c.have-at {
			break
		}
		if adu, err := modbus.ParseTCP(c.buf[at : at+length]); err == nil {
			quantity := int(modbus.Registers(adu.PDU.Data)[1])
			data := []byte{byte(2 * quantity)}
			for range quantity {
				data = modbus.AppendRegisters(data, 305)
			}
			adu.PDU.Data = data
			out = modbus.AppendTCP(out, adu)
		}
		at += length
	}
	c.have = copy(c.buf[:], c.buf[at:c.have])
	_, _ = unix.Write(c.fd, out)
}
