package message_test

import (
	"strings"
	"testing"
	"time"

	"modferry/gateway/message"
	"modferry/modbus"
)

var lines = message.Options{Form: message.Line}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		line    string
		pdu     modbus.PDU
		timeout time.Duration
		reply   modbus.PDU
		answer  string
	}{
		{"1 65432 1 5 3 3 260 2", modbus.ReadRequest(3, 259, 2), 5 * time.Second, modbus.PDU{FunctionCode: 3, Data: []byte{4, 0, 10, 255, 255}}, "65432 OK 10 65535"},
		{"1 18446744073709551615 ttyS0 0 3 1 1 3\r\n", modbus.ReadRequest(1, 0, 3), 0, modbus.PDU{FunctionCode: 1, Data: []byte{1, 5}}, "18446744073709551615 OK 1 0 1"},
		{" 1  7 1 1 3 4 65536 1 ", modbus.ReadRequest(4, 65535, 1), time.Second, modbus.PDU{FunctionCode: 4, Data: []byte{2, 0, 0}}, "7 OK 0"},
		{"1 7 1 1 3 2 1 1", modbus.ReadRequest(2, 0, 1), time.Second, modbus.PDU{FunctionCode: 2, Data: []byte{1, 0}}, "7 OK 0"},
		{"1 7 1 1 3 6 5 1234", modbus.WriteRegisterRequest(4, 1234), time.Second, modbus.WriteRegisterRequest(4, 1234), "7 OK"},
		{"1 7 1 1 3 5 5 1", modbus.WriteCoilRequest(4, true), time.Second, modbus.WriteCoilRequest(4, true), "7 OK"},
		{"1 7 1 1 3 5 5 0", modbus.WriteCoilRequest(4, false), time.Second, modbus.WriteCoilRequest(4, false), "7 OK"},
		{"1 7 1 1 3 16 5 3 1,20,65535", modbus.WriteRegistersRequest(4, []uint16{1, 20, 65535}), time.Second, modbus.PDU{FunctionCode: 16, Data: []byte{0, 4, 0, 3}}, "7 OK"},
		{"1 7 1 1 3 15 5 3 1,0,1", modbus.WriteCoilsRequest(4, []bool{true, false, true}), time.Second, modbus.PDU{FunctionCode: 15, Data: []byte{0, 4, 0, 3}}, "7 OK"},
	} {
		r, err := message.Decode([]byte(c.line), lines)
		if err != nil {
			t.Errorf("%q: %v", c.line, err)
			continue
		}
		if r.Unit != 3 || r.PDU.FunctionCode != c.pdu.FunctionCode || string(r.PDU.Data) != string(c.pdu.Data) || r.Timeout != c.timeout || r.Form != message.Line {
			t.Errorf("%q is %+v, want %+v within %v", c.line, r, c.pdu, c.timeout)
		}
		if got := string(r.Reply(message.Result{Reply: c.reply})); got != c.answer {
			t.Errorf("%q is answered %q, want %q", c.line, got, c.answer)
		}
		exception := string(r.Reply(message.Result{Code: message.Exception, Reply: modbus.ExceptionPDU(c.pdu.FunctionCode, 2)}))
		if !strings.HasPrefix(exception, strings.Fields(c.line)[1]+" ERROR: the device answered illegal data address") || strings.Contains(exception, "\n") {
			t.Errorf("%q: an exception is answered %q", c.line, exception)
		}
	}
}

// What is no line is said in a sentence, to its sender where the cookie can be read.
func TestLinesThatAreNone(t *testing.T) {
	for line, want := range map[string]string{
		"010400010002200B":                          "this bus takes lines such as",
		`{"id":1}`:                                  "this bus takes lines such as",
		"1":                                         "this bus takes lines such as",
		"1 -5 1 1 1 3 1 1":                          "this bus takes lines such as",
		"1 18446744073709551616 1":                  "this bus takes lines such as",
		"0 7 0 192.0.2.1 502 5 1 3 1 1":             "format 0 names a host",
		"2 7 1 1 1 3 1 1":                           "it must begin with 1",
		"1 7 1 1 1 3 1":                             "the count or value is missing",
		"1 7 1 x 1 3 1 1":                           "the timeout is x: it must be a number",
		"1 7 1 61 1 3 1 1":                          "the timeout is 61 s: it must be at most 60",
		"1 7 1 1 300 3 1 1":                         "units are 0 to 255",
		"1 7 1 1 1 3 0 1":                           "registers are counted from 1 to 65536",
		"1 7 1 1 1 3 65537 1":                       "registers are counted from 1 to 65536",
		"1 7 1 1 1 3 1 70000":                       "70000",
		"1 7 1 1 1 6 1 -1":                          "the count or value is -1: it must be a number",
		"1 7 1 1 1 6 1 70000":                       "70000",
		"1 7 1 1 1 5 1 2":                           "2",
		"1 7 1 1 1 16 1 2":                          "the values are missing",
		"1 7 1 1 1 16 1 2 1,2,3":                    "the count is 2, and there are 3 values",
		"1 7 1 1 1 16 1 2 1,":                       `value 2 is ""`,
		"1 7 1 1 1 3 1 1 5":                         "does not belong into the line",
		"1 7 1 1 1 3 1 1 5 6":                       "does not belong into the line",
		"1 7 1 1 1 99 1 1":                          "cannot be given by fields",
		"1 7 1 1 1 128 1 1":                         "functions are 1 to 127",
		"1 7 1 1 1 3 1 \x1b[2J":                     "?[2J: it must be a number",
		"1 7 1 1 1 3 1 " + strings.Repeat("9", 400): "…: it must be a number",
	} {
		_, err := message.Decode([]byte(line), lines)
		fault, ok := err.(*message.Error)
		if !ok || !strings.Contains(fault.Error(), want) {
			t.Errorf("%q: %v, want %q", line, err, want)
			continue
		}
		answer := string(fault.Reply())
		if words := strings.Fields(line); strings.HasPrefix(want, "this bus") {
			if answer != "" {
				t.Errorf("%q is answered %q", line, answer)
			}
		} else if !strings.HasPrefix(answer, words[1]+" ERROR: ") {
			t.Errorf("%q is answered %q", line, answer)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("1 65432 1 5 3 3 260 2")
	f.Add("1 7 1 1 3 16 5 3 1,20,65535")
	f.Add("0 7 0 192.0.2.1 502 5 1 3 1 1")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := message.Decode([]byte(text), lines)
		if err != nil {
			if _, ok := err.(*message.Error); !ok {
				t.Errorf("%T", err)
			}
			return
		}
		if answer := r.Reply(message.Result{Code: message.Timeout}); !strings.Contains(string(answer), " ERROR: ") {
			t.Errorf("%q is answered %q", text, answer)
		}
	})
}
