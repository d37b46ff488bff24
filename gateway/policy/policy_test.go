package policy

import (
	"errors"
	"fmt"
	"testing"

	"modferry/modbus"
)

// verdict is the exception of a refusal, 0 if the request is allowed.
func verdict(t *testing.T, rules Rules, client string, unit byte, p modbus.PDU) byte {
	t.Helper()
	if err := modbus.CheckRequest(p); err != nil {
		t.Fatalf("the test's own request % X is not valid: %v", p.Data, err)
	}
	err := rules.Check(client, unit, p)
	if err == nil {
		return 0
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Error() == "" {
		t.Fatalf("refused with %#v, want a *Refusal with a reason", err)
	}
	return refusal.Exception
}

func TestNothingButReadsWithoutRules(t *testing.T) {
	for code := byte(1); code < 128; code++ {
		p := sample(code)
		want := modbus.IllegalFunction
		switch code {
		case 1, 2, 3, 4, 7, 11, 12, 17, 20, 24:
			want = 0
		}
		if got := Rules(nil).Check("", 1, p); (got == nil) != (want == 0) {
			t.Errorf("function %d without rules: %v", code, got)
		}
	}
}

// sample is a valid request of any function code.
func sample(code byte) modbus.PDU {
	switch code {
	case 5:
		return modbus.WriteCoilRequest(10, true)
	case 6:
		return modbus.WriteRegisterRequest(10, 1)
	case 15:
		return modbus.WriteCoilsRequest(10, []bool{true, false})
	case 16:
		return modbus.WriteRegistersRequest(10, []uint16{1, 2})
	case 22:
		return modbus.MaskWriteRequest(10, 0, 1)
	case 23:
		return modbus.ReadWriteRequest(10, 2, 20, []uint16{1, 2})
	case 1, 2, 3, 4:
		return modbus.ReadRequest(code, 10, 2)
	}
	return modbus.PDU{FunctionCode: code, Data: make([]byte, 4)}
}

// Every span function, with its span before, across and inside the allowed
// addresses 100 to 109: only wholly inside is allowed.
func TestSpanPositions(t *testing.T) {
	rules := Rules{{Addresses: []Range{{100, 104}, {105, 109}}}}
	makers := map[string]func(address uint16, n int) modbus.PDU{
		"5":  func(a uint16, _ int) modbus.PDU { return modbus.WriteCoilRequest(a, true) },
		"6":  func(a uint16, _ int) modbus.PDU { return modbus.WriteRegisterRequest(a, 7) },
		"15": func(a uint16, n int) modbus.PDU { return modbus.WriteCoilsRequest(a, make([]bool, n)) },
		"16": func(a uint16, n int) modbus.PDU { return modbus.WriteRegistersRequest(a, make([]uint16, n)) },
		"22": func(a uint16, _ int) modbus.PDU { return modbus.MaskWriteRequest(a, 0xFF00, 1) },
		"23 written": func(a uint16, n int) modbus.PDU {
			return modbus.ReadWriteRequest(100, 1, a, make([]uint16, n))
		},
		"23 read": func(a uint16, n int) modbus.PDU {
			return modbus.ReadWriteRequest(a, uint16(n), 100, []uint16{1})
		},
	}
	for name, request := range makers {
		for address := uint16(95); address < 115; address++ {
			for n := 1; n <= 12; n++ {
				p := request(address, n)
				touched := n
				switch name {
				case "5", "6", "22":
					touched = 1
				}
				want := modbus.IllegalDataAddress
				if address >= 100 && int(address)+touched <= 110 {
					want = 0
				}
				if got := verdict(t, rules, "", 1, p); got != want {
					t.Errorf("function %s, %d from %d: exception %d, want %d", name, touched, address, got, want)
				}
			}
		}
	}
}

func TestEachFieldOfARule(t *testing.T) {
	rules := Rules{{
		Clients: []string{"panel"}, Units: []Range{{1, 8}}, Functions: []byte{6, 16, 22},
		Addresses: []Range{{0x101, 0x104}}, Values: []Range{{0, 100}},
	}}
	write := modbus.WriteRegisterRequest
	for _, c := range []struct {
		name   string
		client string
		unit   byte
		p      modbus.PDU
		want   byte
	}{
		{"allowed", "panel", 1, write(0x101, 100), 0},
		{"last unit", "panel", 8, write(0x104, 0), 0},
		{"another client", "phone", 1, write(0x101, 1), modbus.IllegalFunction},
		{"no client", "", 1, write(0x101, 1), modbus.IllegalFunction},
		{"unit beyond", "panel", 9, write(0x101, 1), modbus.IllegalFunction},
		{"another function", "panel", 1, modbus.WriteCoilRequest(0x101, true), modbus.IllegalFunction},
		{"address before", "panel", 1, write(0x100, 1), modbus.IllegalDataAddress},
		{"address beyond", "panel", 1, write(0x105, 1), modbus.IllegalDataAddress},
		{"value beyond", "panel", 1, write(0x101, 101), modbus.IllegalDataValue},
		{"one value of several", "panel", 1, modbus.WriteRegistersRequest(0x101, []uint16{1, 2, 101}), modbus.IllegalDataValue},
		{"several", "panel", 1, modbus.WriteRegistersRequest(0x101, []uint16{1, 2, 100}), 0},
		{"mask that keeps bits", "panel", 1, modbus.MaskWriteRequest(0x101, 1, 0), modbus.IllegalDataValue},
		{"mask that sets all", "panel", 1, modbus.MaskWriteRequest(0x101, 0, 100), 0},
		{"mask that sets too much", "panel", 1, modbus.MaskWriteRequest(0x101, 0, 101), modbus.IllegalDataValue},
		{"reading is free", "phone", 99, modbus.ReadRequest(3, 0, 125), 0},
		{"diagnostics", "panel", 1, modbus.PDU{FunctionCode: 8, Data: []byte{0, 1, 0, 0}}, modbus.IllegalFunction},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := verdict(t, rules, c.client, c.unit, c.p); got != c.want {
				t.Errorf("exception %d, want %d", got, c.want)
			}
		})
	}
}

func TestFunctionsWithoutAddresses(t *testing.T) {
	diagnostics := modbus.PDU{FunctionCode: 8, Data: []byte{0, 1, 0, 0}}
	vendor := modbus.PDU{FunctionCode: 100, Data: []byte{1}}
	for _, p := range []modbus.PDU{diagnostics, vendor} {
		for i, c := range []struct {
			rule Rule
			want byte
		}{
			{Rule{Functions: []byte{8, 100}}, 0},
			{Rule{}, 0},
			{Rule{Addresses: []Range{{0, 65535}}}, modbus.IllegalFunction},
			{Rule{Values: []Range{{0, 65535}}}, modbus.IllegalFunction},
		} {
			if got := verdict(t, Rules{c.rule}, "", 1, p); got != c.want {
				t.Errorf("function %d, rule %d: exception %d, want %d", p.FunctionCode, i, got, c.want)
			}
		}
	}
}

// Two rules together allow a span of which each allows a part, but a value only
// counts with the rule of its own address.
func TestRulesAddUp(t *testing.T) {
	rules := Rules{
		{Addresses: []Range{{1, 1}}, Values: []Range{{0, 10}}},
		{Addresses: []Range{{2, 2}}, Values: []Range{{20, 30}}},
	}
	for _, c := range []struct {
		values []uint16
		want   byte
	}{{[]uint16{10, 20}, 0}, {[]uint16{20, 20}, modbus.IllegalDataValue}, {[]uint16{10, 10}, modbus.IllegalDataValue}, {[]uint16{10, 20, 0}, modbus.IllegalDataAddress}} {
		t.Run(fmt.Sprint(c.values), func(t *testing.T) {
			if got := verdict(t, rules, "", 1, modbus.WriteRegistersRequest(1, c.values)); got != c.want {
				t.Errorf("exception %d, want %d", got, c.want)
			}
		})
	}
}

func TestCoilValues(t *testing.T) {
	off := Rules{{Values: []Range{{0, 0}}}}
	if got := verdict(t, off, "", 1, modbus.WriteCoilRequest(1, false)); got != 0 {
		t.Errorf("switching off: exception %d", got)
	}
	if got := verdict(t, off, "", 1, modbus.WriteCoilRequest(1, true)); got != modbus.IllegalDataValue {
		t.Errorf("switching on: exception %d, want 3", got)
	}
	if got := verdict(t, off, "", 1, modbus.WriteCoilsRequest(1, []bool{false, true})); got != modbus.IllegalDataValue {
		t.Errorf("one on of two: exception %d, want 3", got)
	}
}
