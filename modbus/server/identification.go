package server

import (
	"fmt"
	"maps"
	"slices"

	"modferry/modbus"
)

// identification are the objects of function 43/14 [App 6.21].
type identification struct {
	ids     []byte // sorted
	objects map[byte]string
}

// maxObject is the longest object that fits into a reply: 253 bytes less the
// function, six bytes of header, and the object's id and length.
const maxObject = modbus.MaxPDU - 9

// Read device id codes: which objects are asked for.
const (
	basic      = 1 // 0 to 2
	regular    = 2 // 0 to 0x7F
	extended   = 3 // all
	individual = 4 // one
)

func newIdentification(objects map[byte]string) (identification, error) {
	i := identification{slices.Sorted(maps.Keys(objects)), maps.Clone(objects)}
	for id := byte(0); id < 3 && len(objects) > 0; id++ {
		if _, ok := objects[id]; !ok {
			return i, fmt.Errorf("the identification lacks object %d: vendor name, product code and revision (0, 1, 2) are needed", id)
		}
	}
	for id, text := range objects {
		if len(text) > maxObject {
			return i, fmt.Errorf("identification object %d has %d bytes: at most %d can be sent", id, len(text), maxObject)
		}
	}
	return i, nil
}

// level returns the category of an object.
func level(id byte) byte {
	switch {
	case id < 3:
		return basic
	case id < 0x80:
		return regular
	}
	return extended
}

func (i identification) read(q []byte) (data []byte, exception byte) {
	if q[0] != modbus.ReadDeviceIdentification {
		return nil, modbus.IllegalFunction // no other MEI type is here
	}
	if len(q) != 3 || q[1] < basic || q[1] > individual {
		return nil, modbus.IllegalDataValue
	}
	code, first := q[1], q[2]
	conformity := level(i.ids[len(i.ids)-1])
	data = []byte{q[0], code, conformity | 0x80, 0, 0, 0} // 0x80: objects can be read one by one
	if code == individual {
		if _, ok := i.objects[first]; !ok {
			return nil, modbus.IllegalDataAddress
		}
		return i.append(data, []byte{first}), 0
	}
	return i.append(data, i.from(first, min(code, conformity))), 0
}

// from returns the ids of a category from first on; a first that is not there means
// the beginning.
func (i identification) from(first, category byte) []byte {
	end := len(i.ids)
	for end > 0 && level(i.ids[end-1]) > category {
		end--
	}
	at, found := slices.BinarySearch(i.ids[:end], first)
	if !found {
		at = 0
	}
	return i.ids[at:end]
}

// append appends as many objects as fit; the header says with which the next request begins.
func (i identification) append(data, ids []byte) []byte {
	for _, id := range ids {
		text := i.objects[id]
		if 1+len(data)+2+len(text) > modbus.MaxPDU {
			data[3], data[4] = 0xFF, id // more follows
			break
		}
		data = append(append(data, id, byte(len(text))), text...)
		data[5]++
	}
	return data
}
