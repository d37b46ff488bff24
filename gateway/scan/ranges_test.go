package scan

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"modferry/modbus"
)

// What can be read is found exactly, whatever the device has.
func TestRangesAreExact(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		has := rapid.SliceOfN(rapid.IntRange(0, 199), 0, 12).Draw(r, "borders")
		slices.Sort(has)
		there := func(table modbus.Table, a int) bool { // between every other border
			below := 0
			for _, border := range has {
				if border <= a {
					below++
				}
			}
			return table == modbus.HoldingRegisters && below%2 == 1 && a < 200
		}
		w := &fakeWay{t: t, answer: memory(there)}
		report := scanned(t, w, func(o *Options) {
			o.Ranges = []modbus.Span{{Table: modbus.HoldingRegisters, Quantity: 200}}
		})
		found := make([]bool, 200)
		for _, s := range report.Units[0].Ranges {
			for a := int(s.First); a <= int(s.Last); a++ {
				found[a] = true
			}
		}
		for a := range 200 {
			if found[a] != there(modbus.HoldingRegisters, a) {
				r.Fatalf("address %d: found is %v, borders are %v", a, found[a], has)
			}
		}
		if report.Units[0].Partly || report.Requests != w.asked {
			r.Fatalf("%+v", report)
		}
	})
}

// What a device costs: much that can be read little, and never more than allowed.
func TestRangesCostFewRequests(t *testing.T) {
	for _, c := range []struct {
		name      string
		has       func(modbus.Table, int) bool
		most      int
		partly    bool
		registers int
	}{
		{"everything", func(modbus.Table, int) bool { return true }, 5, false, 125},
		{"the first hundred", func(_ modbus.Table, a int) bool { return a < 100 }, 55, false, 100},
		{"one hole", func(_ modbus.Table, a int) bool { return a != 77 }, 24, false, 124},
		{"no such function", nil, 4, false, 0},
		{"nothing", func(modbus.Table, int) bool { return false }, 253, false, 0},
		{"every other", func(_ modbus.Table, a int) bool { return a%2 == 0 }, 253, false, 63},
	} {
		w := &fakeWay{t: t, answer: memory(c.has)}
		if c.has == nil {
			w.answer = func(_ byte, q modbus.PDU) *modbus.PDU {
				p := modbus.ExceptionPDU(q.FunctionCode, modbus.IllegalFunction)
				return &p
			}
		}
		report := scanned(t, w, func(o *Options) {
			o.Ranges = []modbus.Span{{Table: modbus.HoldingRegisters, Quantity: 125}}
		})
		registers := 0
		for _, s := range report.Units[0].Ranges {
			registers += int(s.Last) - int(s.First) + 1
		}
		if w.asked > c.most || registers != c.registers || report.Units[0].Partly != c.partly {
			t.Errorf("%s: %d requests, %d registers, %+v", c.name, w.asked, registers, report.Units[0])
		}
	}
	w := &fakeWay{t: t, answer: memory(func(modbus.Table, int) bool { return false })}
	report := scanned(t, w, func(o *Options) {
		o.Ranges, o.Requests = []modbus.Span{{Table: modbus.HoldingRegisters, Quantity: 60000}}, 50
	})
	if w.asked > 51 || !report.Units[0].Partly {
		t.Errorf("%d requests where 50 are allowed, %+v", w.asked, report.Units[0])
	}
}

// A unit that is silent at what it does not have is left alone soon.
func TestSilenceIsLeftAlone(t *testing.T) {
	answer := memory(func(table modbus.Table, a int) bool { return table == modbus.HoldingRegisters && a == 0 })
	w := &fakeWay{t: t, answer: func(unit byte, q modbus.PDU) *modbus.PDU {
		if p := answer(unit, q); modbus.AsException(*p) == nil {
			return p
		}
		return nil
	}}
	report := scanned(t, w, func(o *Options) {
		o.Ranges = []modbus.Span{{Table: modbus.HoldingRegisters, Quantity: 100}, {Table: modbus.InputRegisters, Quantity: 100}}
	})
	if w.asked > 40 || fmt.Sprint(report.Units[0].Ranges) != fmt.Sprint([]Range{{modbus.HoldingRegisters, 0, 0}}) {
		t.Errorf("%d requests, %+v", w.asked, report.Units[0])
	}
}
