package broker

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkOneToOne sends messages of 100 bytes from one client to another, 64 on
// their way at a time.
func BenchmarkOneToOne(b *testing.B) {
	for qos := range 3 {
		for _, persistent := range []bool{false, true} {
			b.Run(fmt.Sprint("QoS", qos, map[bool]string{true: "-session"}[persistent]), func(b *testing.B) {
				o := Options{}
				if persistent {
					o.Dir = b.TempDir()
				}
				oneToOne(b, run(b, o), byte(qos), persistent)
			})
		}
	}
}

func oneToOne(b *testing.B, r *running, qos byte, persistent bool) {
	const window = 64
	reader, sender := dial(b, r.address), dial(b, r.address)
	reader.connect(b, connectPacket{version: 4, id: "reader", clean: !persistent})
	reader.subscribe(b, 1, "a", qos)
	sender.connect(b, connectPacket{version: 4, clean: true})
	received := make(chan struct{}, window)
	go func() {
		for {
			p, err := reader.read()
			if err != nil {
				return
			}
			switch p.kind {
			case 3:
				switch qos {
				case 1:
					_, _ = reader.Write(framed(0x40, u16(int(p.deliveredID()))))
				case 2:
					_, _ = reader.Write(framed(0x50, u16(int(p.deliveredID()))))
				}
				received <- struct{}{}
			case 6:
				_, _ = reader.Write(framed(0x70, u16(int(p.id()))))
			}
		}
	}()
	go func() { // answers to the sender
		for {
			p, err := sender.read()
			if err != nil {
				return
			}
			if p.kind == 5 {
				_, _ = sender.Write(framed(0x62, u16(int(p.id()))))
			}
		}
	}()
	payload := bytes.Repeat([]byte("x"), 100)
	b.ResetTimer()
	for i := range b.N {
		if i >= window {
			<-received
		}
		parts := [][]byte{str("a")}
		if qos > 0 {
			parts = append(parts, u16(i%1000+1))
		}
		if _, err := sender.Write(framed(0x30|qos<<1, append(parts, payload)...)); err != nil {
			b.Fatal(err)
		}
	}
	for range min(b.N, window) {
		<-received
	}
	b.StopTimer()
	_ = reader.Close()
	_ = sender.Close()
}
