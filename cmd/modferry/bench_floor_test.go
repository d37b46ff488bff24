package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"modferry/modbus"
)

// plant is a Modbus TCP device all of whose registers are others at each read. It
// counts how many were read; a line on its standard input asks for the count.
func plant() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	var count atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answer(c, &count)
		}
	}()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(count.Load())
	}
	return nil
}

func answer(c net.Conn, count *atomic.Int64) {
	defer c.Close()
	in := bufio.NewReader(c)
	var request [12]byte
	var out []byte
	for turn := uint16(1); ; turn++ {
		if _, err := io.ReadFull(in, request[:]); err != nil {
			return
		}
		first, quantity := binary.BigEndian.Uint16(request[8:]), binary.BigEndian.Uint16(request[10:])
		out = append(out, request[:4]...)
		out = binary.BigEndian.AppendUint16(out, 3+2*quantity)
		out = append(out, request[6], request[7], byte(2*quantity))
		for i := range quantity {
			out = binary.BigEndian.AppendUint16(out, first+i+turn*7)
		}
		count.Add(int64(quantity))
		if in.Buffered() > 0 { // more came together
			continue
		}
		if _, err := c.Write(out); err != nil {
			return
		}
		out = out[:0]
	}
}

// polling is what is polled, how often and how it is published.
type polling struct {
	Registers int
	Every     time.Duration // of all registers; 0 = as fast as it goes
	Single    bool          // one topic for each register instead of one array for each block
	QoS       byte
	For       time.Duration
	Broker    string // host:port
	Device    string // host:port
}

const block = 125 // registers of one request

// spent is what polling took.
type spent struct {
	CPU    float64 // seconds
	Values int64
	RSS    float64 // MiB
	Missed int     // periods
	Share  float64 // of the values, that the broker got: of older ones the newest only
}

// floor is the least that polling takes: one goroutine that writes a request, reads
// the reply, and publishes it over a bare MQTT connection.
func floor(text string) error {
	var p polling
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	device, err := net.Dial("tcp", p.Device)
	if err != nil {
		return err
	}
	broker, err := bareMQTT(p.Broker)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	s := spent{}
	start, before := time.Now(), cpuOf(os.Getpid())
	var reply [9 + 2*block]byte
	var payload, packets []byte
	due := start
	for turn := uint16(1); time.Since(start) < p.For; turn++ {
		for first := 0; first < p.Registers; first += block {
			request := modbus.AppendTCP(payload[:0], modbus.ADU{Transaction: turn, Unit: 1, PDU: modbus.ReadRequest(3, uint16(first), block)})
			if _, err := device.Write(request); err != nil {
				return err
			}
			if _, err := io.ReadFull(device, reply[:]); err != nil {
				return err
			}
			packets, payload = p.publish(packets[:0], payload[:0], first, reply[9:])
			if _, err := broker.Write(packets); err != nil {
				return err
			}
			s.Values += block
		}
		if p.Every > 0 {
			due = due.Add(p.Every)
			if wait := time.Until(due); wait > 0 {
				time.Sleep(wait)
			} else {
				s.Missed++
			}
		}
	}
	s.CPU = cpuOf(os.Getpid()) - before
	return json.NewEncoder(os.Stdout).Encode(s)
}

// publish appends the packets for the registers of one block; payload is scratch memory.
func (p *polling) publish(dst, payload []byte, first int, data []byte) (packets, scratch []byte) {
	if p.Single {
		for i := range block {
			payload = strconv.AppendUint(payload[:0], uint64(binary.BigEndian.Uint16(data[2*i:])), 10)
			dst = appendPublish(dst, "floor/r", first+i, p.QoS, payload)
		}
		return dst, payload
	}
	for i := range block {
		payload = append(payload, ',')
		payload = strconv.AppendUint(payload, uint64(binary.BigEndian.Uint16(data[2*i:])), 10)
	}
	payload[0] = '['
	payload = append(payload, ']')
	return appendPublish(dst, "floor/b", first, p.QoS, payload), payload
}

// appendPublish appends a retained PUBLISH packet [MQTT-3.3].
func appendPublish(dst []byte, prefix string, number int, qos byte, payload []byte) []byte {
	var digits [8]byte
	name := strconv.AppendInt(digits[:0], int64(number), 10)
	topic := len(prefix) + len(name)
	size := 2 + topic + len(payload)
	if qos > 0 {
		size += 2
	}
	dst = append(dst, 0x31|qos<<1)
	for ; size > 127; size >>= 7 {
		dst = append(dst, byte(size)|0x80)
	}
	dst = append(dst, byte(size))
	dst = binary.BigEndian.AppendUint16(dst, uint16(topic))
	dst = append(append(dst, prefix...), name...)
	if qos > 0 {
		dst = binary.BigEndian.AppendUint16(dst, uint16(1+number%60000))
	}
	return append(dst, payload...)
}

// bareMQTT connects, and throws away what the broker says.
func bareMQTT(addr string) (net.Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if _, err := c.Write([]byte("\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05floor")); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		return nil, err
	}
	go io.Copy(io.Discard, c)
	return c, nil
}

// cpuOf returns the CPU seconds that a process has taken, to a hundredth.
func cpuOf(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	const ticks = 100 // per second, as Linux tells its users
	var sum float64
	for _, f := range fields[11:13] { // utime and stime
		n, _ := strconv.ParseFloat(f, 64)
		sum += n / ticks
	}
	return sum
}
