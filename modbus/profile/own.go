package profile

import (
	"math"
	"path/filepath"

	"modferry/configs/strictyaml"
	"modferry/modbus"
)

// ParseDevice reads the text of such a description, as [DecodeDevice] does; file is
// its name for messages, and files that it names are beside it. All mistakes are
// reported at once, as [strictyaml.Problems].
func ParseDevice(file string, data []byte) (*Profile, error) {
	doc := strictyaml.Parse(file, data, strictyaml.Options{})
	m := doc.Root().Map()
	p := DecodeDevice(m)
	p.Unit = byte(m.Get("unit").Int(DefaultUnit, 1, int(modbus.MaxUnit)))
	m.Done()
	if err := doc.Err(); err != nil {
		return nil, err
	}
	p.Locate(filepath.Dir(file))
	return p, nil
}

// DecodeDevice reads the description of a device that is no kind of its own: what a
// profile says about the device itself, and nothing about readings. Its keys are
// known to m from then on. What is wrong is reported at m's document.
func DecodeDevice(m *strictyaml.Map) *Profile {
	p := &Profile{Unit: DefaultUnit, Every: DefaultEvery, Heartbeat: DefaultHeartbeat}
	p.Name = "device"
	p.Title = m.Get("title").String(p.Name)
	p.Serial = decodeSerial(m.Get("serial"))
	p.Limits = DecodeLimits(m.Get("limits"), DefaultLimits())
	p.decodeOwn(m)
	return p
}

// decodeOwn reads the device's own side.
func (p *Profile) decodeOwn(m *strictyaml.Map) {
	p.Functions = decodeFunctions(m.Get("functions"))
	p.Registers = decodeRegisters(m.Get("registers"), p.Readings)
	p.Tables = decodeTables(m.Get("tables"))
	p.ServerID = decodeServerID(m.Get("server_id"))
	p.Identification = decodeIdentification(m.Get("identification"))
}

// decodeTables reads how much of each table the device has, from address 0 on.
func decodeTables(n strictyaml.Node) []modbus.Span {
	m := n.Map()
	defer m.Done()
	var spans []modbus.Span
	for _, t := range tableKeys {
		if quantity := m.Get(t.key).Int(0, 1, modbus.AddressSpace); quantity > 0 {
			spans = append(spans, modbus.Span{Table: t.table, Quantity: quantity})
		}
	}
	return spans
}

// decodeServerID reads what function 17 returns [App 6.13].
func decodeServerID(n strictyaml.Node) []byte {
	if !n.Present() {
		return nil
	}
	m := n.Map()
	defer m.Done()
	status := byte(0)
	id := byte(m.Get("id").Int(1, 0, math.MaxUint8))
	if m.Get("running").Bool(true) {
		status = 0xFF
	}
	text := m.Get("text").String("")
	if most := modbus.MaxPDU - 4; len(text) > most {
		m.Get("text").Problemf("it has %d bytes: a reply has room for %d", len(text), most)
	}
	return append([]byte{id, status}, text...)
}

// objectNames are the objects of function 43/14 [App 6.21].
var objectNames = []string{"vendor", "product_code", "revision", "url", "product", "model", "application"}

const firstPrivateObject = 0x80

// decodeIdentification reads what function 43/14 returns.
func decodeIdentification(n strictyaml.Node) map[byte]string {
	if !n.Present() {
		return nil
	}
	const most = modbus.MaxPDU - 9 // for one object to fit into a reply
	objects := map[byte]string{}
	for _, e := range n.Map().Entries() {
		id, ok := objectID(e.Name)
		text := e.Value.String("")
		switch {
		case !ok:
			e.Key.Problemf("expected %s, or the number of an object from 0x80 to 0xFF, got %s", listed(objectNames), e.Key.Shown())
		case len(text) > most:
			e.Value.Problemf("it has %d bytes: a reply has room for %d", len(text), most)
		}
		objects[id] = text
	}
	for i, name := range objectNames[:3] {
		if _, ok := objects[byte(i)]; !ok && n.IsMap() {
			n.Problemf("%s is missing: every device that identifies itself has %s, %s and %s", name, objectNames[0], objectNames[1], objectNames[2])
			break
		}
	}
	return objects
}

func objectID(name string) (byte, bool) {
	for i, known := range objectNames {
		if name == known {
			return byte(i), true
		}
	}
	id, ok := whole(name)
	return byte(id), ok && id >= firstPrivateObject && id <= math.MaxUint8
}
