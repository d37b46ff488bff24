package recording_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"modferry/modbus"
	"modferry/modbus/register"
	"modferry/simulator/recording"
)

// paper is a device of which only what the test says is there.
type paper struct {
	reply func(q modbus.PDU) (modbus.PDU, error)
	asked []modbus.Span
}

func (p *paper) Ask(_ context.Context, _ byte, q modbus.PDU) (modbus.PDU, error) {
	p.asked = append(p.asked, modbus.Spans(q)...)
	return p.reply(q)
}

var errSilent = errors.New("unit 1 did not answer")

// zeros is a good reply.
func zeros(q modbus.PDU) modbus.PDU {
	n := 2 * modbus.Spans(q)[0].Quantity
	return modbus.PDU{FunctionCode: q.FunctionCode, Data: append([]byte{byte(n)}, make([]byte, n)...)}
}

// record records registers 0 to 29 of a device on paper, with no time passing.
func record(t testing.TB, o recording.Options) (*recording.Recording, error) {
	t.Helper()
	at := noon
	o.Now = func() time.Time { return at }
	o.Wait = func(ctx context.Context, until time.Time) error { at = until; return ctx.Err() }
	if o.Spans == nil {
		o.Spans = spans(modbus.Span{Table: modbus.HoldingRegisters, Quantity: 30})
	}
	return recording.Record(t.Context(), o)
}

func TestDevicesThatCannotBeRecorded(t *testing.T) {
	for want, c := range map[string]struct {
		reply func(q modbus.PDU) (modbus.PDU, error)
		spans []modbus.Span
	}{
		"unit 1 did not answer": {func(modbus.PDU) (modbus.PDU, error) { return modbus.PDU{}, errSilent }, nil},
		"refuses all that was asked for, first with exception 02 (illegal data address)": {
			func(q modbus.PDU) (modbus.PDU, error) { return modbus.ExceptionPDU(q.FunctionCode, 2), nil }, nil},
		"refuses all that was asked for, first with exception 01": {
			func(q modbus.PDU) (modbus.PDU, error) { return modbus.ExceptionPDU(q.FunctionCode, 1), nil }, nil},
		"answers with exception 11": {
			func(q modbus.PDU) (modbus.PDU, error) { return modbus.ExceptionPDU(q.FunctionCode, 11), nil }, nil},
		"silent at more than 16 addresses, the last is 18 of the holding registers": {
			func(q modbus.PDU) (modbus.PDU, error) {
				if modbus.Spans(q)[0].Address == 0 && modbus.Spans(q)[0].Quantity == 1 {
					return zeros(q), nil
				}
				return modbus.PDU{}, errSilent
			}, spans(modbus.Span{Table: modbus.HoldingRegisters, Quantity: 1}, modbus.Span{Table: modbus.HoldingRegisters, Address: 2, Quantity: 60})},
		"the reply 02 00 00 does not fit": {func(q modbus.PDU) (modbus.PDU, error) {
			return modbus.PDU{FunctionCode: q.FunctionCode, Data: []byte{2, 0, 0}}, nil
		}, nil},
		"there is nothing to record": {nil, []modbus.Span{}},
		"a range lies from 0":        {nil, spans(modbus.Span{Table: modbus.Coils, Address: 0xFFFF, Quantity: 2})},
	} {
		_, err := record(t, recording.Options{Line: &paper{reply: c.reply}, Spans: c.spans, Count: 1})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v\nwant %q", err, want)
		}
	}
}

// A refused range is halved until each address is told from its neighbours, and what
// is there is then read with few requests.
func TestHolesAreFoundByHalving(t *testing.T) {
	missing := []int{7, 8, 20}
	device := &paper{reply: func(q modbus.PDU) (modbus.PDU, error) {
		s := modbus.Spans(q)[0]
		for _, a := range missing {
			if a >= int(s.Address) && a < s.End() {
				return modbus.ExceptionPDU(q.FunctionCode, 2), nil
			}
		}
		return zeros(q), nil
	}}
	survey := 0
	c, err := record(t, recording.Options{Line: device, Count: 2, Progress: func(p recording.Progress) {
		if p.Rows == 0 && p.Reading.Quantity == 0 {
			survey = len(device.asked)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Holes); got != "[{holding registers 7 8 2} {holding registers 20 20 2}]" || c.Constant != 27 || c.Moving != 0 {
		t.Errorf("%s, %d constant, %d moving", got, c.Constant, c.Moving)
	}
	last := device.asked[survey:]
	want := spans(modbus.Span{Table: modbus.HoldingRegisters, Quantity: 7},
		modbus.Span{Table: modbus.HoldingRegisters, Address: 9, Quantity: 11}, modbus.Span{Table: modbus.HoldingRegisters, Address: 21, Quantity: 9})
	if !slices.Equal(last, want) || survey > 40 {
		t.Errorf("the second round read %v, after %d requests", last, survey)
	}
}

// While the device is silent, the last values stand, and the gap is told.
func TestGaps(t *testing.T) {
	asked := 0
	device := &paper{reply: func(q modbus.PDU) (modbus.PDU, error) {
		asked++
		switch {
		case asked >= 4 && asked < 7: // the survey is the first, the third round the fourth
			return modbus.PDU{}, errSilent
		case asked == 9:
			return modbus.ExceptionPDU(q.FunctionCode, 4), nil
		}
		p := zeros(q)
		p.Data[2] = byte(asked)
		return p, nil
	}}
	var silent []time.Duration
	c, err := record(t, recording.Options{Line: device, Count: 9, Every: 2 * time.Second, Progress: func(p recording.Progress) {
		silent = append(silent, p.Silent/time.Second)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Gaps); c.Rows != 5 || c.Gapped != 2 ||
		got != "[{4s 10s unit 1 did not answer} {14s 16s exception 04 (server device failure)}]" {
		t.Errorf("%d rows, %d gaps: %s", c.Rows, c.Gapped, got)
	}
	if got := fmt.Sprint(silent); got != "[0s 0s 0s 0s 2ns 4ns 0s 0s 0s 0s]" {
		t.Errorf("progress told of silence for %s", got)
	}
}

// A device that stops answering one of several requests does not keep the others from
// being read.
func TestOneDeadBlock(t *testing.T) {
	asked := 0
	device := &paper{reply: func(q modbus.PDU) (modbus.PDU, error) {
		asked++
		if modbus.Spans(q)[0].Address == 0 && asked > 4 {
			return modbus.PDU{}, errSilent
		}
		p := zeros(q)
		p.Data[2] = byte(asked)
		return p, nil
	}}
	c, err := record(t, recording.Options{Line: device, Count: 10, Spans: spans(
		modbus.Span{Table: modbus.HoldingRegisters, Quantity: 1}, modbus.Span{Table: modbus.HoldingRegisters, Address: 9, Quantity: 1})})
	if err != nil {
		t.Fatal(err)
	}
	if c.Rows < 9 || c.Moving != 1 || c.Gapped != 1 {
		t.Errorf("%d rows, %d moving, %d gaps", c.Rows, c.Moving, c.Gapped)
	}
}

// What was there is saved at once, whenever it is a tenth longer, and when the recording is interrupted.
func TestSaves(t *testing.T) {
	device := &paper{reply: func(q modbus.PDU) (modbus.PDU, error) { return zeros(q), nil }}
	ctx, cancel := context.WithCancel(t.Context())
	at := noon
	var rows []int
	c, err := recording.Record(ctx, recording.Options{
		Line: device, Spans: spans(modbus.Span{Table: modbus.HoldingRegisters, Quantity: 1}),
		Now:  func() time.Time { return at },
		Save: func(c *recording.Recording) error { rows = append(rows, c.Rows); return nil },
		Wait: func(ctx context.Context, until time.Time) error {
			if at = until; at.Sub(noon) == 150*time.Second {
				cancel()
			}
			return ctx.Err()
		},
	})
	if err != nil || c.End != recording.Interrupted || fmt.Sprint(rows) != "[1 2 3 4 5 6 7 8 9 10 11 12 14 16 18 20 22 25 28 31 34 38 42 47 52 58 64 71 78 86 95 105 116 128 141 150]" {
		t.Errorf("%v, %v", rows, err)
	}
	failed := errors.New("the disk is full")
	if _, err := record(t, recording.Options{Line: device, Save: func(*recording.Recording) error { return failed }}); !errors.Is(err, failed) {
		t.Errorf("a save that fails: %v", err)
	}
	if _, err := recording.Record(ctx, recording.Options{Line: device, Spans: spans(modbus.Span{Table: modbus.Coils, Quantity: 1})}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted before anything was read: %v", err)
	}
}

// A recording ends before a replay would refuse it.
func TestFull(t *testing.T) {
	n := uint16(0)
	device := &paper{reply: func(q modbus.PDU) (modbus.PDU, error) {
		n++
		p := zeros(q)
		for i := range 125 {
			p.Data[1+2*i], p.Data[2+2*i] = byte(n>>8)|0x80, byte(n)
		}
		return p, nil
	}}
	const most = recording.MaxFile / 20
	c, err := record(t, recording.Smaller(recording.Options{Line: device, Spans: spans(modbus.Span{Table: modbus.InputRegisters, Quantity: 125})}, most))
	if err != nil || c.End != recording.Full || c.Rows < 8_000 {
		t.Fatalf("%d rows, %s, %v", c.Rows, c.End, err)
	}
	if size := recording.ValuesSize(c); size > most || size < most/4 {
		t.Errorf("the file has %d bytes", size)
	}
}

// FuzzCell: what stands in the CSV file is exactly what was read, or is not taken.
func FuzzCell(f *testing.F) {
	f.Add(uint16(0x7FC0), uint16(0), uint8(7), uint8(1), 0.1)
	f.Add(uint16(0x8000), uint16(1), uint8(2), uint8(0), 0.0)
	f.Add(uint16(0xFFDF), uint16(0xFFFF), uint8(5), uint8(0), 0.1)
	f.Fuzz(func(t *testing.T, high, low uint16, kind, order uint8, scale float64) {
		field := register.Field{Table: modbus.InputRegisters, Type: register.Type(kind%20 + 1), Bit: -1, Order: register.Order(order % 4), Scale: scale, Decimals: register.Auto, NoData: []uint64{0x8000}}
		if field.Check() != nil || !field.IsNumber() || field.Quantity() > 4 {
			t.Skip()
		}
		values := []uint16{high, low, ^high, ^low}[:field.Quantity()]
		text, ok := recording.Cell(field, values)
		if !ok {
			return
		}
		if back := recording.Back(t, field, text); !slices.Equal(back, values) {
			t.Errorf("%04X became %q, and that %04X", values, text, back)
		}
	})
}
