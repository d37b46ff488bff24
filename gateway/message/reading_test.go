package message_test

import (
	"testing"
	"time"

	"modferry/gateway/message"
	"modferry/modbus/register"
)

func TestReadingsAsJSON(t *testing.T) {
	at := time.Date(2026, 11, 23, 19, 0, 0, 123_900_000, time.FixedZone("", 3600))
	temperature := message.Sample{Value: register.Number(23.4), Unit: "°C", Quality: message.Good, Time: at}
	door := message.Sample{Value: register.BoolValue(true), Quality: message.Stale, Time: at}
	var group message.Group
	if got := string(group.JSON()); got != "{}" {
		t.Errorf("a group without readings is %s", got)
	}
	group.Add("temperature", temperature)
	group.Add("door", door)
	temperatureJSON := `{"value":23.4,"unit":"°C","quality":"good","time":"2026-11-23T18:00:00.123Z"}`
	doorJSON := `{"value":true,"quality":"stale","time":"2026-11-23T18:00:00.123Z"}`
	for got, want := range map[string]string{
		string(temperature.JSON()): temperatureJSON,
		string(door.JSON()):        doorJSON,
		string(group.JSON()):       `{"temperature":` + temperatureJSON + `,"door":` + doorJSON + `}`,
		string(message.Sample{Quality: message.Bad, Time: at}.JSON()): `{"value":null,"quality":"bad","time":"2026-11-23T18:00:00.123Z"}`,
	} {
		if got != want {
			t.Errorf("reading\n%s, want\n%s", got, want)
		}
	}
}

func TestIsGood(t *testing.T) {
	for _, q := range []message.Quality{message.Good, message.Stale, message.Bad} {
		s := message.Sample{Value: register.Text(`","quality":"good","time":"`), Unit: `,"quality":"good","time":"`, Quality: q}
		if message.IsGood(s.JSON()) != (q == message.Good) {
			t.Errorf("of quality %s: %s", q, s.JSON())
		}
	}
}
