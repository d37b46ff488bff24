package control

import (
	"testing"
	"time"

	"modferry/simulator"
)

// Who listens hears when a value is let go, too.
func TestReleaseIsTold(t *testing.T) {
	clock := simulator.NewPausedClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	b := newBench(t, simulator.Options{Clock: clock}, "")
	hear(t, b, "?kind=value", func() {
		b.want("PUT /devices/1/values/temperature", "-20", 200, "")
		b.want("DELETE /devices/1/values/temperature", "", 200, "")
		b.want("PUT /devices/1/tables/input/1", `{"values": [7, 8], "pin": true}`, 200, "")
		b.want("DELETE /devices/1/tables/input/1?quantity=2", "", 200, `{"unpinned":2}`)
		b.want("DELETE /devices/1/tables/input/1?quantity=2", "", 200, `{"unpinned":0}`)
		b.want("PUT /devices/1/values/temperature", "-30", 200, "")
	},
		`data: {"unit":1,"table":"input","address":1,"values":[65336],"names":{"temperature":-20},"source":"control"}`,
		`data: {"unit":1,"table":"input","address":1,"values":[`,
		`data: {"unit":1,"table":"input","address":1,"values":[7,8],`,
		`data: {"unit":1,"table":"input","address":1,"values":[`,
		`data: {"unit":1,"table":"input","address":1,"values":[65236],"names":{"temperature":-30},"source":"control"}`,
	)
}
