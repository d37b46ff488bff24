//go:build linux || darwin

package simulator_test

import (
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/simulator"
)

// A reply on a paced pseudo terminal takes as long as on a wire of that speed: the
// request, the silence after it and the reply, within 2 %. The best of some counts:
// what the machine does besides only makes it longer.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		serial    string
		char      time.Duration
		silence   time.Duration
		registers int
	}{
		{"{baud: 9600}", time.Second * 10 / 9600, time.Second * 35 / 9600, 2},
		{"{baud: 9600, parity: even}", time.Second * 11 / 9600, time.Second * 77 / 2 / 9600, 20},
		{"{baud: 115200}", time.Second * 10 / 115200, 1750 * time.Microsecond, 125},
	} {
		t.Run(c.serial, func(t *testing.T) {
			p, err := profile.Parse("x.yaml", []byte("title: x\nserial: "+c.serial+"\nreadings: {a: {holding: 0, type: uint16, count: 125}}\nregisters: {a: {}}"))
			if err != nil {
				t.Fatal(err)
			}
			s := newSimulator(t, simulator.Options{Profile: p, Unit: 1, Pace: true})
			link := filepath.Join(t.TempDir(), "line")
			if _, err := s.OpenPTY(link); err != nil {
				t.Fatal(err)
			}
			run(t, s)
			line := openLine(t, link)
			request := modbus.AppendRTU(nil, modbus.ADU{Unit: 1, PDU: modbus.ReadRequest(3, 0, uint16(c.registers))})
			reply := make([]byte, 5+2*c.registers)
			want := time.Duration(len(request)+len(reply))*c.char + c.silence
			var took []time.Duration
			for len(took) < 100 && (len(took) < 5 || slices.Min(took) > want*102/100) {
				start := time.Now()
				if _, err := line.Write(request); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(line, reply); err != nil {
					t.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			if got := slices.Min(took); got < want || got > want*102/100 {
				t.Errorf("%v, want %v and up to 2 %% more; all: %v", got, want, took)
			}
		})
	}
}

// Bytes do not come faster than the line allows, and the line ends while it is busy.
func TestPaceOfBytes(t *testing.T) {
	s := newSimulator(t, simulator.Options{Profile: xymd02(t), Unit: 1, Pace: true})
	m, err := s.Memory(modbus.RTU)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	conn, err := m.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	start := time.Now()
	if _, err := conn.Write(fromHex(t, "0103010200026437")); err != nil {
		t.Fatal(err)
	}
	earliest := 8*time.Second*10/9600 + time.Second*35/9600
	for n := range 9 {
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if took, least := time.Since(start), earliest+time.Duration(n+1)*time.Second*10/9600; took < least {
			t.Errorf("byte %d came after %v, not before %v", n, took, least)
		}
	}
	if _, err := conn.Write(fromHex(t, "0103010200026437")); err != nil { // the simulator ends meanwhile
		t.Fatal(err)
	}
}
