package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modferry/gateway/gatewaytest"
	"modferry/modbus"
	"modferry/modbus/transport"
)

var tunnelled = flag.Int("tunnelled", 10_000, "transactions through a tunnel whose broker dies")

// shed is a gateway with a serial line of virtual devices behind a broker, and a tunnel to it.
type shed struct {
	broker         *gatewaytest.Server
	gateway        *gatewaytest.Process
	TCP, RTU, link string
}

func newShed(t *testing.T) *shed {
	t.Helper()
	dir := t.TempDir()
	line := filepath.Join(dir, "line")
	gatewaytest.Start(t, "simulator", "-c", write(t, "simulator.yaml", fmt.Sprintf(`
pty: %q
devices:
  - {unit: 1, tables: {holding: 1000, coil: 100}}
  - {unit: 2, tables: {holding: 1000}}
  - {unit: 3, tables: {holding: 1000}}
  - {unit: 4, tables: {holding: 1000}}
`, line)), "--json").Line("{")
	s := &shed{broker: gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{NoDelay: true}), link: filepath.Join(dir, "tunnel")}
	app := gatewaytest.Client(t, s.broker.URL(), gatewaytest.ClientOptions{})
	s.gateway = gatewayAt(t, app, fmt.Sprintf(`
gateway: shed
data_dir: %q
mqtt: {url: "mqtt://%s"}
buses: {rs485: {serial: %q, baud: 115200, timeout: 500ms, allow: [{functions: [write]}]}}
`, dir, s.broker.Addr, line))
	text := gatewaytest.Start(t, "tunnel", "--broker", "mqtt://"+s.broker.Addr, "--gateway", "shed", "--bus", "rs485",
		"--listen", ":0", "--rtu", ":0", "--pty", s.link, "--json").Line("{")
	if err := json.Unmarshal([]byte(text), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// Tools that others wrote work through a tunnel as on the line itself.
func TestToolsThroughATunnel(t *testing.T) {
	s := newShed(t)
	_, port, err := net.SplitHostPort(s.TCP)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("mbpoll", func(t *testing.T) {
		mbpoll := gatewaytest.Need(t, "mbpoll")
		for _, way := range [][]string{{"-m", "tcp", "-p", port, "127.0.0.1"}, {"-m", "rtu", "-b", "9600", "-P", "none", s.link}} {
			flags, where := way[:len(way)-1], way[len(way)-1]
			args := slices.Concat(flags, []string{"-a", "2", "-t", "4", "-0", "-r", "7", "-1", where})
			output(t, mbpoll, append(args, "1234")...)
			if text := output(t, mbpoll, args...); !strings.Contains(text, "[7]: \t1234") {
				t.Errorf("mbpoll printed\n%s", text)
			}
		}
	})
	t.Run("pymodbus", func(t *testing.T) {
		python := gatewaytest.NeedPython(t, "pymodbus.client")
		for _, way := range []string{s.TCP, "rtu:" + s.RTU, s.link} {
			output(t, python, "testdata/pymodbus_tunnel.py", way)
		}
	})
	t.Run("libmodbus", func(t *testing.T) {
		if _, err := os.Stat("/usr/include/modbus/modbus.h"); err != nil {
			gatewaytest.Missing(t, "libmodbus-dev is not installed")
		}
		program := compiled(t, "tunnel", "-lmodbus")
		for _, way := range []string{port, s.link} {
			output(t, program, way)
		}
	})
	t.Run("modbus-serial", func(t *testing.T) {
		node := gatewaytest.Need(t, "node")
		if _, err := os.Stat("testdata/node/node_modules"); err != nil {
			gatewaytest.Missing(t, "the packages of cmd/modferry/testdata/node are not installed: run make tools")
		}
		output(t, node, "testdata/node/modbus_serial.mjs", s.TCP)
	})
}

// Four clients write and read at the same time, and the broker dies in between: each
// gets the replies to its own requests, or the exceptions of a gateway.
func TestTunnelMixesNothingUp(t *testing.T) {
	s := newShed(t)
	const clients = 4
	var made, failed atomic.Int64
	var working sync.WaitGroup
	for n := range clients {
		working.Go(func() {
			if err := s.work(byte(n+1), *tunnelled/clients, &made, &failed); err != nil {
				t.Errorf("client %d: %v", n+1, err)
			}
		})
	}
	eventually(t, "half of the transactions", func() bool { return made.Load() >= int64(*tunnelled/2) || t.Failed() })
	s.broker.Kill()
	time.Sleep(300 * time.Millisecond) // an outage, short enough for what is under way to be answered after it
	s.broker.Restart()
	working.Wait()
	t.Logf("%d transactions, %d of them ended in an exception of the gateway", made.Load(), failed.Load())
	if failed.Load() > int64(*tunnelled/10) {
		t.Errorf("%d transactions failed: the tunnel did not come back", failed.Load())
	}
}

// work writes random values to a register of a unit, and reads them back.
func (s *shed) work(unit byte, n int, made, failed *atomic.Int64) error {
	line := transport.NewTCP(transport.TCPOptions{Address: s.TCP, Timeout: patience})
	defer line.Close()
	random := rand.New(rand.NewPCG(uint64(unit), 1))
	last, known := uint16(0), true
	for i := range n {
		register, value := uint16(10*int(unit)), uint16(random.Uint32())
		q := modbus.ReadRequest(3, register, 1)
		if i%2 == 0 {
			q = modbus.WriteRegisterRequest(register, value)
		}
		frame, err := line.Send(modbus.AppendTCP(nil, modbus.ADU{Transaction: uint16(i), Unit: unit, PDU: q}))
		if err != nil {
			return err
		}
		adu, err := modbus.ParseTCP(frame)
		if err != nil {
			return err
		}
		made.Add(1)
		if e := modbus.AsException(adu.PDU); e != nil {
			if e.ExceptionCode != modbus.GatewayPathUnavailable && e.ExceptionCode != modbus.GatewayTargetNoResponse {
				return e
			}
			failed.Add(1)
			known = known && i%2 != 0 // a write may have been done
			time.Sleep(10 * time.Millisecond)
			continue
		}
		switch got := binary.BigEndian.Uint16(adu.PDU.Data[len(adu.PDU.Data)-2:]); {
		case adu.Transaction != uint16(i) || adu.Unit != unit:
			return fmt.Errorf("transaction %d of unit %d, want %d of %d", adu.Transaction, adu.Unit, uint16(i), unit)
		case i%2 == 0 && got != value:
			return fmt.Errorf("the write of %d is answered with %d", value, got)
		case i%2 == 0:
			last, known = value, true
		case known && got != last:
			return fmt.Errorf("the register holds %d, want %d", got, last)
		}
	}
	return nil
}

// Without a gateway, a broker or a device, tools get the exceptions of a gateway.
func TestTunnelToNowhere(t *testing.T) {
	s := newShed(t)
	ask := func(unit byte) byte {
		t.Helper()
		line := transport.NewTCP(transport.TCPOptions{Address: s.TCP, Timeout: patience})
		defer line.Close()
		reply, err := line.SendContext(context.Background(), modbus.AppendTCP(nil, modbus.ADU{Transaction: 1, Unit: unit, PDU: modbus.ReadRequest(3, 0, 1)}))
		if err != nil {
			t.Fatal(err)
		}
		adu, err := modbus.ParseTCP(reply)
		if err != nil {
			t.Fatal(err)
		}
		var e *modbus.Exception
		if e = modbus.AsException(adu.PDU); e == nil {
			return 0
		}
		return e.ExceptionCode
	}
	if code := ask(1); code != 0 {
		t.Fatalf("exception %d", code)
	}
	if code := ask(9); code != modbus.GatewayTargetNoResponse {
		t.Errorf("a unit that is not there: exception %d", code)
	}
	s.gateway.Stop()
	eventually(t, "the gateway to be known to be away", func() bool { return ask(1) == modbus.GatewayPathUnavailable })
	s.broker.Kill()
	start := time.Now()
	defer func() {
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("the exception took %v: tools do not wait so long", took)
		}
	}()
	if code := ask(1); code != modbus.GatewayPathUnavailable {
		t.Errorf("without a broker: exception %d", code)
	}
}

func TestTunnelMistakes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	good := []string{"tunnel", "--gateway", "g", "--bus", "b", "--listen", ":0"}
	for want, args := range map[string][]string{
		"--broker needs --gateway and --bus":                {"tunnel", "--bus", "b"},
		"a name has 1 to 64 letters":                        {"tunnel", "--gateway", "g", "--bus", "a/b"},
		"--timeout 0s: it must be above 0":                  append(good, "--timeout", "0"),
		"address already in use":                            {"tunnel", "--gateway", "g", "--bus", "b", "--listen", taken.Addr().String()},
		"something else is there":                           append(good, "--pty", write(t, "file", "mine")),
		"--log loud: it must be debug":                      append(good, "--log", "loud"),
		"no such file or directory":                         append(good, "--password-file", "/no/such/file"),
		"unknown flag: --lisen: see modferry tunnel --help": {"tunnel", "--lisen", ":0"},
	} {
		code, out, errs := modferry(t, args...)
		if code == exitGood || out != "" || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit code %d, %q, %q, want %q", args, code, out, errs, want)
		}
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}
