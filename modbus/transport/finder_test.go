package transport

import (
	"bytes"
	"testing"
	"time"

	"modferry/modbus"
)

// FuzzFinders feeds noise in pieces, then the reply, to both finders: what they
// return answers the request, what they drop they have, and the reply is found at
// last however the noise looks.
func FuzzFinders(f *testing.F) {
	f.Add([]byte{1, 3, 2, 0, 5}, byte(3), uint16(1), true)
	f.Add([]byte{1, 65, 1, 65, 1, 0x83}, byte(65), uint16(2), false)
	f.Add([]byte(":01:0103\r\n"), byte(4), uint16(3), true)
	f.Fuzz(func(t *testing.T, noise []byte, function byte, split uint16, ascii bool) {
		if function = function&0x7F | 1; len(noise) > 2*modbus.MaxASCII {
			return
		}
		request := modbus.ADU{Unit: 1, PDU: requestOf(function)}
		reply := modbus.ADU{Unit: 1, PDU: replyTo(request.PDU)}
		var find finder = rtuFinder{request, time.Millisecond}
		framing := modbus.RTU
		if ascii {
			find, framing = asciiFinder{request}, modbus.ASCII
		}
		at := min(int(split), len(noise))
		var window []byte
		for _, piece := range [][]byte{noise[:at], noise[at:], framing.Append(nil, reply)} {
			window = append(window, piece...)
			frame, drop, _ := find.find(window, 0)
			if frame == nil {
				frame, drop, _ = find.find(window, forever)
			}
			if frame != nil {
				a, err := framing.Parse(frame)
				if err != nil || modbus.Answers(request, a) != nil {
					t.Fatalf("% X is no reply", frame)
				}
				return
			}
			if drop < 0 || drop > len(window) {
				t.Fatalf("dropped %d of %d bytes", drop, len(window))
			}
			window = window[drop:]
		}
		if function == modbus.EncapsulatedInterface || modbus.ReplyLength(request.PDU, []byte{function, 1, 1}) == modbus.Open {
			return // noise may have taken the place of a reply whose length only silence tells
		}
		t.Fatalf("the reply was not found; left is % X", window)
	})
}

// A window is bounded, whatever a line babbles.
func TestFindersDropNoise(t *testing.T) {
	requests := []modbus.ADU{{Unit: 1, PDU: requestOf(3)}, {Unit: 1, PDU: requestOf(65)}}
	for _, request := range requests {
		for _, find := range []finder{rtuFinder{request, time.Second}, asciiFinder{request}} {
			for _, babble := range [][]byte{{1}, {1, 3}, {1, 65}, {0}, {':'}, {':', '0'}} {
				window := []byte(nil)
				for range 10 * modbus.MaxASCII {
					window = append(window, babble...)
					_, drop, _ := find.find(window, 0)
					window = bytes.Clone(window[drop:])
					if len(window) > modbus.MaxASCII+1 {
						t.Fatalf("%T keeps %d bytes of % X", find, len(window), babble)
					}
				}
			}
		}
	}
}
