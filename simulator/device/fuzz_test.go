package device_test

import (
	"log/slog"
	"os"
	"testing"

	"modferry/configs"
	"modferry/modbus"
	"modferry/modbus/profile"
	"modferry/simulator/device"
)

// Whatever a profile says, its virtual device starts or says why not, and answers or
// refuses every request in the protocol's own words.
func FuzzDevice(f *testing.F) {
	requests := [][]byte{{3, 0, 0, 0, 2}, {4, 0, 1, 0, 2}, {1, 0, 0, 0, 8}, {6, 1, 1, 0, 8}, {16, 0, 0, 0, 1, 2, 0, 1}, {43, 14, 1, 0}}
	for i, name := range profile.Names(configs.Files) {
		text, err := os.ReadFile("../../configs/profiles/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, requests[i%len(requests)])
	}
	f.Add([]byte("title: x\nreadings: {a: {coil: 1}}\nregisters: {a: {coil: 1, count: 2000}, b: {input: 0, type: float64, rises: 1e300}}"), requests[0])
	f.Add([]byte("title: x\nreadings: {none: {coil: 9}}\nregisters: {a: {input: 0, type: int16, walk: {step: 1, sample: 1ms}}, s: {holding: 0, type: uint16}, b: {input: 1, type: int16, thermal: {follows: s, switch: s, tau: 1s}}, c: {input: 2, type: uint16, rises: 1e9, max: 9, rolls_over: true}, d: {discrete: 0, steps: {values: [0, 1], every: 1s}}}\ntables: {holding: 65536}"), requests[1])
	f.Fuzz(func(t *testing.T, text, request []byte) {
		p, err := profile.Parse("x.yaml", text)
		if err != nil || len(request) == 0 || request[0] > 127 {
			return
		}
		c := newClock()
		d, err := device.New(device.Options{Profile: p}, c.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			return
		}
		for range 3 {
			c.Advance(p.Every)
			q := modbus.PDU{FunctionCode: request[0], Data: request[1:]}
			reply, answered := d.Handle(d.Unit(), q)
			if !answered || modbus.AsException(reply) != nil {
				continue
			}
			if err := modbus.CheckReply(q, reply); err != nil {
				t.Fatalf("% X gets % X: %v", request, reply.Data, err)
			}
		}
	})
}
