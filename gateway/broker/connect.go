package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errNotConnect: a connection began with something that is not an MQTT CONNECT packet.
var errNotConnect = errors.New("it did not begin with an MQTT CONNECT packet")

const (
	connectHeader = 0x10 // packet type 1, flags 0 [MQTT-2.2.2-1]
	flagWill      = 0x04
	flagPassword  = 0x40
	flagUser      = 0x80
)

// readConnect reads the first packet of a connection, at most maxConnect bytes, and
// returns its body: what follows the fixed header.
func readConnect(r io.Reader) ([]byte, error) {
	var head [1]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	if head[0] != connectHeader {
		return nil, errNotConnect
	}
	length, shift := 0, 0
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, err
		}
		length |= int(head[0]&0x7F) << shift
		if head[0]&0x80 == 0 {
			break
		}
		if shift += 7; shift > 21 {
			return nil, errNotConnect // [MQTT 5, 1.5.5] at most four bytes
		}
	}
	if length > maxConnect {
		return nil, fmt.Errorf("its CONNECT packet has %d bytes, more than %d", length, maxConnect)
	}
	// Grown as it arrives: a length alone must not cost memory.
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, int64(length)); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

// connect is what of a CONNECT packet the connection itself must know.
type connect struct {
	version byte
	body    []byte // with empty credentials taken away
}

// parseConnect takes empty credentials out of the body of a CONNECT packet: many
// clients send both as empty strings and mean neither. A packet it does not
// understand stays as it is, for the library to refuse.
func parseConnect(body []byte) connect {
	c := connect{body: body}
	f := fields{rest: body}
	f.skipString() // protocol name
	c.version = f.byte()
	at := len(body) - len(f.rest)
	flags := f.byte()
	f.skip(2) // keep alive
	f.skipProperties(c.version)
	f.skipString() // client id
	if flags&flagWill != 0 {
		f.skipProperties(c.version)
		f.skipString()
		f.skipString()
	}
	end := len(body) - len(f.rest)
	var user, password []byte
	if flags&flagUser != 0 {
		user = f.string()
	}
	if flags&flagPassword != 0 {
		password = f.string()
	}
	if f.bad || flags&(flagUser|flagPassword) == 0 || len(password) > 0 {
		return c
	}
	out := append(make([]byte, 0, len(body)), body[:end]...)
	out[at] &^= flagPassword | flagUser
	if len(user) > 0 {
		out[at] |= flagUser
		out = binary.BigEndian.AppendUint16(out, uint16(len(user)))
		out = append(out, user...)
	}
	c.body = out
	return c
}

// appendPacket appends a CONNECT packet with this body.
func appendPacket(dst, body []byte) []byte {
	dst = append(dst, connectHeader)
	return append(binary.AppendUvarint(dst, uint64(len(body))), body...)
}

// fields reads the fields of a packet one after the other; bad once one is missing.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) skip(n int) []byte {
	if n > len(f.rest) {
		f.bad, f.rest = true, nil
		return nil
	}
	taken := f.rest[:n]
	f.rest = f.rest[n:]
	return taken
}

func (f *fields) byte() byte {
	if b := f.skip(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) string() []byte {
	if b := f.skip(2); b != nil {
		return f.skip(int(binary.BigEndian.Uint16(b)))
	}
	return nil
}

func (f *fields) skipString() { f.string() }

// skipProperties passes over the properties that only MQTT 5 has [MQTT 5, 2.2.2].
func (f *fields) skipProperties(version byte) {
	if version != 5 {
		return
	}
	n, size := binary.Uvarint(f.rest)
	if size <= 0 || size > 4 {
		f.bad = true
		return
	}
	f.skip(size)
	f.skip(int(min(n, maxConnect+1)))
}
