package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/modbus/quickconn"
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
	Strict    bool // the floor makes 16 requests at a time, by calls that the scheduler does not hear of
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

// together is how many requests the gateway and the strict floor make at a time.
const together = 16

// floor is the least that polling takes: one goroutine that writes a request, reads
// the reply, and publishes it over a bare MQTT connection. It publishes every value, on
// the topics and with the payloads that the gateway has, on as many cores. The strict
// floor makes no more system calls than the gateway may.
func floor(text string) error {
	runtime.GOMAXPROCS(1)
	f := &floorPoller{}
	if err := json.Unmarshal([]byte(text), &f.polling); err != nil {
		return err
	}
	device, err := f.dial(f.Device)
	if err != nil {
		return err
	}
	if f.broker, err = f.bareMQTT(); err != nil {
		return err
	}
	f.device, f.replies = device, bufio.NewReader(device)
	fmt.Println("ready")
	if _, err := f.run(f.For / 4); err != nil { // until it is warm
		return err
	}
	s, err := f.run(f.For)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

// floorPoller polls as floor says; the buffers are used again and again.
type floorPoller struct {
	polling
	device, broker    net.Conn
	replies           *bufio.Reader
	requests, packets []byte
	payload           []byte
	reply             [9 + 2*block]byte
	turn              uint16
}

// run polls for some time.
func (f *floorPoller) run(length time.Duration) (s spent, err error) {
	start, before := time.Now(), cpuOf(os.Getpid())
	due := start
	for time.Since(start) < length {
		f.turn++
		if err := f.round(); err != nil {
			return s, err
		}
		s.Values += int64(f.Registers)
		if f.Every == 0 {
			continue
		}
		if due = due.Add(f.Every); time.Until(due) > 0 {
			time.Sleep(time.Until(due))
		} else {
			s.Missed++
		}
	}
	s.CPU = cpuOf(os.Getpid()) - before
	return s, nil
}

// round reads and publishes all registers once.
func (f *floorPoller) round() error {
	each := block
	if f.Strict {
		each = together * block
	}
	for first := 0; first < f.Registers; first += each {
		last := min(f.Registers, first+each)
		f.requests, f.packets = f.requests[:0], f.packets[:0]
		for at := first; at < last; at += block {
			request := modbus.AppendTCP(nil, modbus.ADU{Transaction: f.turn, Unit: 1, PDU: modbus.ReadRequest(3, uint16(at), block)})
			f.requests = append(f.requests, request...)
		}
		if _, err := f.device.Write(f.requests); err != nil {
			return err
		}
		now := time.Now()
		for at := first; at < last; at += block {
			if _, err := io.ReadFull(f.replies, f.reply[:]); err != nil {
				return err
			}
			f.publish(at, f.reply[9:], now)
		}
		if _, err := f.broker.Write(f.packets); err != nil {
			return err
		}
	}
	return nil
}

// publish appends the packets for the registers of one block.
func (f *floorPoller) publish(first int, data []byte, now time.Time) {
	if f.Single {
		for i := range block {
			f.payload = strconv.AppendUint(f.payload[:0], uint64(binary.BigEndian.Uint16(data[2*i:])), 10)
			f.packets = appendPublish(f.packets, benchTopic+"r", first+i, f.QoS, f.payload)
		}
		return
	}
	f.payload = append(f.payload[:0], `{"value":`...)
	for i := range block {
		f.payload = append(f.payload, ',')
		f.payload = strconv.AppendUint(f.payload, uint64(binary.BigEndian.Uint16(data[2*i:])), 10)
	}
	f.payload[len(`{"value":`)] = '['
	f.payload = append(f.payload, `],"quality":"good","time":"`...)
	f.payload = append(now.UTC().AppendFormat(f.payload, message.TimeFormat), `"}`...)
	f.packets = appendPublish(f.packets, benchTopic+"b", first, f.QoS, f.payload)
}

// benchTopic is that of the readings of the measured device.
const benchTopic = "modferry/bench/device/plant/"

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
func (p *polling) bareMQTT() (net.Conn, error) {
	c, err := p.dial(p.Broker)
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

func (p *polling) dial(addr string) (net.Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil || !p.Strict {
		return c, err
	}
	return quickconn.New(c.(*net.TCPConn)), nil
}

// cpuOf returns the CPU seconds that a process has taken: of all threads that it has.
func cpuOf(pid int) (sum float64) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, file := range threads {
		text, _ := os.ReadFile(file)
		ran, _, _ := strings.Cut(string(text), " ")
		ns, _ := strconv.ParseFloat(ran, 64)
		sum += ns / 1e9
	}
	return sum
}
