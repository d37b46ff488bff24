package poll

import (
	"testing"
	"testing/synctest"
	"time"

	"modferry/gateway/config"
	"modferry/modbus/profile"
)

// A reading that was set is read and published at once, whatever its rate, its
// deadband and how short ago it was published; the others and the rate stay as they are.
func TestSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{input: map[uint16]uint16{1: 305, 5: 400}}
		set := input("set", 1)
		set.Deadband, set.MinInterval = profile.Deadband{Absolute: 10}, 30*time.Second
		p, published := start(t, d, config.Device{
			Every: 10 * time.Second, Heartbeat: time.Hour, Payload: "json", Readings: []profile.Reading{set, input("other", 5)},
		})
		synctest.Wait()
		published()
		time.Sleep(4 * time.Second)
		d.set(1, 306, nil)
		p.Soon("set")
		synctest.Wait()
		want(t, published(), `set {"value":30.6,"unit":"°C","quality":"good"`)
		p.Soon("set") // the same value again
		p.Soon("set")
		p.Soon("nothing")
		synctest.Wait()
		want(t, published(), `set {"value":30.6,"unit":"°C","quality":"good"`)
		reads := d.made()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := d.made() - reads; n != 0 {
			t.Errorf("%d reads before the next tick", n)
		}
		pass(time.Second)
		if n := d.made() - reads; n != 2 {
			t.Errorf("%d reads at the next tick, want those of both readings", n)
		}
		want(t, published())
	})
}
