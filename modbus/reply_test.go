package modbus_test

import (
	"testing"

	"modferry/modbus"
	"modferry/modbus/modbustest"
)

func TestRepliesOfTheTableAnswerTheirRequests(t *testing.T) {
	for _, c := range modbustest.Cases() {
		if c.Reply == "" {
			continue
		}
		reply := modbustest.Named(c.Reply).ADU
		if err := modbus.Answers(c.ADU, reply); err != nil {
			t.Errorf("%s: its reply is refused: %v", c.Name, err)
		}
		other := reply
		other.Unit++
		if modbus.Answers(c.ADU, other) == nil {
			t.Errorf("%s: a reply of another unit is taken", c.Name)
		}
		other = reply
		other.Transaction++
		if modbus.Answers(c.ADU, other) == nil {
			t.Errorf("%s: a reply of another transaction is taken", c.Name)
		}
	}
}

func TestNothingElseAnswers(t *testing.T) {
	for _, c := range modbustest.Requests(modbus.RTU) {
		for _, r := range modbustest.Replies(modbus.RTU) {
			same := r.Name == c.Reply || c.Reply != "" && modbustest.Named(c.Reply).Text == r.Text
			answers := modbus.CheckReply(c.ADU.PDU, r.ADU.PDU) == nil
			switch function := c.ADU.PDU.FunctionCode; {
			case same, r.ADU.PDU.FunctionCode == function|0x80:
				if !answers {
					t.Errorf("%s: %s is refused", c.Name, r.Name)
				}
			case function != r.ADU.PDU.FunctionCode:
				if answers {
					t.Errorf("%s: %s is taken", c.Name, r.Name)
				}
			}
		}
	}
}

func TestRepliesThatDoNotFitTheirRequest(t *testing.T) {
	pdu := func(b ...byte) modbus.PDU { return modbus.PDU{FunctionCode: b[0], Data: b[1:]} }
	for _, test := range []struct {
		name           string
		request, reply modbus.PDU
	}{
		{"fewer registers than asked", modbus.ReadRequest(3, 0, 2), pdu(3, 2, 0, 1)},
		{"more registers than asked", modbus.ReadRequest(4, 0, 1), pdu(4, 4, 0, 1, 0, 2)},
		{"fewer bits than asked", modbus.ReadRequest(1, 0, 9), pdu(1, 1, 0)},
		{"byte count without its bytes", modbus.ReadRequest(3, 0, 2), pdu(3, 4, 0, 1)},
		{"no byte count", modbus.ReadRequest(3, 0, 2), pdu(3)},
		{"bytes after the counted ones", modbus.ReadRequest(3, 0, 1), pdu(3, 2, 0, 1, 9)},
		{"another coil", modbus.WriteCoilRequest(1, true), pdu(5, 0, 2, 0xFF, 0)},
		{"another value", modbus.WriteRegisterRequest(1, 2), pdu(6, 0, 1, 0, 3)},
		{"another mask", modbus.MaskWriteRequest(1, 2, 3), pdu(22, 0, 1, 0, 2, 0, 4)},
		{"another quantity written", modbus.WriteRegistersRequest(1, []uint16{1, 2}), pdu(16, 0, 1, 0, 1)},
		{"another address written", modbus.WriteCoilsRequest(1, []bool{true}), pdu(15, 0, 2, 0, 1)},
		{"read/write with fewer registers", modbus.ReadWriteRequest(0, 2, 0, []uint16{1}), pdu(23, 2, 0, 1)},
		{"another diagnostic", pdu(8, 0, 10, 0, 0), pdu(8, 0, 11, 0, 0)},
		{"loopback cut short", pdu(8, 0, 0, 1, 2, 3, 4), pdu(8, 0, 0, 1, 2)},
		{"FIFO counts that differ", pdu(24, 0, 0), pdu(24, 0, 4, 0, 2, 0, 1)},
		{"FIFO without its count", pdu(24, 0, 0), pdu(24, 0, 0)},
		{"file record not repeated", modbustest.Named("write file record").ADU.PDU, pdu(21, 1, 0)},
		{"exception of another function", modbus.ReadRequest(3, 0, 1), pdu(0x84, 2)},
		{"exception without code", modbus.ReadRequest(3, 0, 1), pdu(0x83)},
		{"exception with two codes", modbus.ReadRequest(3, 0, 1), pdu(0x83, 2, 2)},
		{"answer to no request", pdu(3, 0), pdu(3, 2, 0, 1)},
		{"answer longer than a PDU", pdu(65), modbus.PDU{FunctionCode: 65, Data: make([]byte, modbus.MaxPDU)}},
	} {
		if modbus.CheckReply(test.request, test.reply) == nil {
			t.Errorf("%s: % X is taken as the answer to % X", test.name, test.reply, test.request)
		}
	}
}

func TestFIFOHoldsAtMost31(t *testing.T) {
	request := modbus.PDU{FunctionCode: 24, Data: []byte{4, 0xDE}}
	for n, good := range map[int]bool{0: true, 31: true, 32: false} {
		data := modbus.AppendRegisters(nil, uint16(2+2*n), uint16(n))
		data = append(data, make([]byte, 2*n)...)
		if err := modbus.CheckReply(request, modbus.PDU{FunctionCode: 24, Data: data}); (err == nil) != good {
			t.Errorf("%d registers in the queue: %v", n, err)
		}
	}
}
