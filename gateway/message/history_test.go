package message_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"modferry/gateway/message"
	"modferry/modbus/register"
)

func TestHistoryAsJSON(t *testing.T) {
	at := time.Date(2026, 11, 23, 19, 0, 0, 123_900_000, time.FixedZone("", 3600))
	warm := message.Sample{Value: register.Number(23.4), Unit: "°C", Quality: message.Good, Time: at}
	open := message.Sample{Value: register.BoolValue(true), Quality: message.Stale, Time: at.Add(time.Second)}
	temperature := message.AppendRecord(nil, "cold-room", "temperature", warm.JSON())
	door := message.AppendRecord(nil, "cold-room", "door", open.JSON())
	for want, records := range map[string][][]byte{
		`[]`: nil,
		`[{"device":"cold-room","reading":"temperature","value":23.4,"unit":"°C","quality":"good","time":"2026-11-23T18:00:00.123Z"}]`: {temperature},
		`[{"device":"cold-room","reading":"temperature","value":23.4,"unit":"°C","quality":"good","time":"2026-11-23T18:00:00.123Z"},` +
			`{"device":"cold-room","reading":"door","value":true,"quality":"stale","time":"2026-11-23T18:00:01.123Z"}]`: {temperature, door},
	} {
		if got := string(message.History(records)); got != want {
			t.Errorf("history\n%s, want\n%s", got, want)
		}
	}
}

// A record is what the app would have got as a reading, with its origin.
func TestRecordHasTheKeysOfAReading(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		origin, name := rapid.String().Draw(t, "device"), rapid.String().Draw(t, "reading")
		s := message.Sample{
			Value:   register.Number(rapid.Float64Range(-1e6, 1e6).Draw(t, "value")),
			Unit:    rapid.String().Draw(t, "unit"),
			Quality: rapid.SampledFrom([]message.Quality{message.Good, message.Stale, message.Bad}).Draw(t, "quality"),
			Time:    time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "time")),
		}
		before := "before"
		text := message.AppendRecord([]byte(before), origin, name, s.JSON())
		if !strings.HasPrefix(string(text), before) {
			t.Fatalf("appending changed what was there: %s", text)
		}
		var got, reading map[string]any
		if err := json.Unmarshal(text[len(before):], &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if err := json.Unmarshal(s.JSON(), &reading); err != nil {
			t.Fatal(err)
		}
		reading["device"] = strings.ToValidUTF8(origin, "\uFFFD")
		reading["reading"] = strings.ToValidUTF8(name, "\uFFFD")
		if !reflect.DeepEqual(got, reading) {
			t.Fatalf("the record is %v, want %v", got, reading)
		}
	})
}

func TestHistoryAllocatesOnce(t *testing.T) {
	records := [][]byte{[]byte(`{"a":1}`), []byte(`{"b":2}`)}
	if n := testing.AllocsPerRun(100, func() { message.History(records) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
