package client_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"modferry/modbus"
	"modferry/modbus/explain"
	"modferry/modbus/hextext"
	"modferry/modbus/modbustest"
	"modferry/modbus/register"
)

var update = flag.Bool("update", false, "write test/vectors.json anew")

const vectorsFile = "test/vectors.json"

// textVector is a text of hex digits: its bytes, or where and why it has none.
type textVector struct {
	Text     string `json:"text"`
	Hex      string `json:"hex"`
	Position *int   `json:"position,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// frameVector is an RTU frame of the table that all packages share.
type frameVector struct {
	Name    string          `json:"name"`
	Frame   string          `json:"frame"`
	Fault   string          `json:"fault,omitempty"`
	Reply   string          `json:"reply,omitempty"` // its frame
	IsReply bool            `json:"isReply,omitempty"`
	Request map[string]any  `json:"request,omitempty"` // fields; nil = none for this function
	Values  any             `json:"values,omitempty"`  // of its reply
	Fields  []explain.Field `json:"fields,omitempty"`
	Known   []explain.Field `json:"known,omitempty"` // of its reply, the request being known
}

// valueVector is a typed value in registers.
type valueVector struct {
	Registers []uint16        `json:"registers"`
	Type      string          `json:"type"`
	Order     string          `json:"order"`
	Value     json.RawMessage `json:"value"`
}

func textVectors(t *testing.T) []textVector {
	t.Helper()
	var all []textVector
	for _, text := range []string{
		"", " ", "01", "0104", "01 04", "01,04", "01-04:00", "0x01,0x04", "0X0104 0001", "0x010x02", " 01 04\r\n", "01 04,", "0104 0001 0002 200b",
		"aBcDeF", "01,, 04", "1", "01 4", "010", "01040", "01 0g", "g", "0x", "01 0x", "0x1", "01.04", "01;04", "0104 hello", "hello", ":0104", ",01", "0x01 0xg",
		"[object ArrayBuffer]", "1,3,0,0", "01 04 00 01 00 0", "0xx1", "x01", "01 04 é",
	} {
		v := textVector{Text: text}
		b, _, err := hextext.Parse([]byte(text))
		v.Hex = strings.ToUpper(hex.EncodeToString(b))
		if err != nil {
			var e *hextext.Error
			if !errors.As(err, &e) {
				t.Fatalf("%q: %v", text, err)
			}
			v.Position, v.Reason = &e.Offset, e.Reason
		}
		all = append(all, v)
	}
	return all
}

func frameVectors() []frameVector {
	replies := map[string]modbustest.Case{}
	for _, c := range modbustest.Replies(modbus.RTU) {
		replies[c.Name] = c
	}
	var all []frameVector
	for _, c := range modbustest.Cases() {
		if c.Framing != modbus.RTU {
			continue
		}
		v := frameVector{Name: c.Name, Frame: c.Text, Fault: string(c.Fault), IsReply: c.IsReply()}
		if reply, ok := replies[c.Reply]; ok {
			v.Reply, v.Values = reply.Text, replyValues(c.ADU.PDU, reply.ADU.PDU)
		}
		if c.Fault == "" {
			v.explain(c)
		}
		all = append(all, v)
	}
	return all
}

// explained tells which functions the JavaScript explains byte by byte.
func explained(function byte) bool {
	return bytes.IndexByte([]byte{1, 2, 3, 4, 5, 6, 15, 16, 22, 23}, function&0x7F) >= 0
}

func (v *frameVector) explain(c modbustest.Case) {
	if !explained(c.ADU.PDU.FunctionCode) {
		return
	}
	v.Fields = explain.Frame([]byte(c.Text)).Fields
	if v.Reply != "" {
		v.Known = explain.Reply([]byte(c.Text), []byte(v.Reply)).Fields
	}
	if !c.IsReply() {
		v.Request = requestFields(c.ADU)
	}
}

// requestFields are the keys of a JSON request.
func requestFields(a modbus.ADU) map[string]any {
	fields := map[string]any{"unit": a.Unit, "function": a.PDU.FunctionCode}
	d := a.PDU.Data
	for _, s := range modbus.Spans(a.PDU) {
		switch {
		case s.Write && a.PDU.FunctionCode == modbus.ReadWriteRegisters:
			fields["write_address"] = s.Address
		case s.Write:
			fields["address"] = s.Address
		default:
			fields["address"], fields["quantity"] = s.Address, s.Quantity
		}
	}
	switch a.PDU.FunctionCode {
	case modbus.WriteSingleCoil:
		fields["values"] = []bool{d[2] == 0xFF}
	case modbus.WriteMultipleCoils:
		fields["values"] = modbus.Bits(d[5:], int(d[2])<<8|int(d[3]))
	case modbus.MaskWriteRegister:
		delete(fields, "quantity")
		fields["values"] = modbus.Registers(d[2:])
	case modbus.WriteSingleRegister, modbus.WriteMultipleRegisters, modbus.ReadWriteRegisters:
		fields["values"], _ = modbus.Written(a.PDU)
	}
	return fields
}

func replyValues(request, reply modbus.PDU) any {
	switch request.FunctionCode {
	case modbus.ReadCoils, modbus.ReadDiscreteInputs:
		return modbus.Bits(reply.Data[1:], int(request.Data[2])<<8|int(request.Data[3]))
	case modbus.ReadHoldingRegisters, modbus.ReadInputRegisters, modbus.ReadWriteRegisters:
		return modbus.Registers(reply.Data[1:])
	}
	return nil
}

func valueVectors(t *testing.T) []valueVector {
	t.Helper()
	contents := [][]uint16{
		{0x0131, 0x0222, 0x0333, 0x0444}, {0xFF38, 0xFFFF, 0xFFFF, 0xFFFF}, {0x41BB, 0x3333, 0, 0},
		{0x3333, 0x41BB, 0, 1}, {0x8000, 0, 0, 0}, {0, 0x1234, 0x5678, 0x9ABC}, {0x4009, 0x21FB, 0x5444, 0x2D18},
	}
	var all []valueVector
	for _, typ := range []register.Type{register.Int16, register.Uint16, register.Int32, register.Uint32, register.Int64, register.Uint64, register.Float32, register.Float64} {
		for _, name := range register.OrderNames() {
			order, _ := register.OrderByName(name)
			f := register.Field{Table: modbus.HoldingRegisters, Type: typ, Order: order, Decimals: register.Auto}
			for _, content := range contents {
				data := modbus.AppendRegisters(nil, content[:f.DataSize()/2]...)
				value, err := f.Decode(data)
				if errors.Is(err, register.ErrNoData) { // NaN
					continue
				}
				if err != nil {
					t.Fatalf("%v %s of %04X: %v", typ, name, content, err)
				}
				all = append(all, valueVector{content[:f.DataSize()/2], typ.String(), name, value.AppendJSON(nil)})
			}
		}
	}
	return all
}

// lines returns a JSON array with an item on each line.
func lines[T any](t *testing.T, items []T) string {
	t.Helper()
	var out []string
	for _, item := range items {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(item); err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimSpace(b.String()))
	}
	return "[\n" + strings.Join(out, ",\n") + "\n]"
}

// The JavaScript is tested with what the Go packages say today.
func TestVectors(t *testing.T) {
	now := []byte("{\n\"texts\": " + lines(t, textVectors(t)) + ",\n\"frames\": " + lines(t, frameVectors()) + ",\n\"values\": " + lines(t, valueVectors(t)) + "\n}\n")
	if *update {
		if err := os.WriteFile(vectorsFile, now, 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, now) {
		t.Errorf("%s is stale: go test ./examples/client -run Vectors -update", vectorsFile)
	}
}
