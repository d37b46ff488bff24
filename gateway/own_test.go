package gateway

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestOwnPublicationsAreTakenOnceEach(t *testing.T) {
	o := &own{}
	reply := []byte("01060103000AF831")
	if o.take(reply) {
		t.Error("a message of somebody else was taken for an own one")
	}
	o.add(reply)
	o.add(reply)
	for i, want := range []bool{true, true, false} {
		if o.take(reply) != want {
			t.Errorf("arrival %d: own is %v", i, !want)
		}
	}
	o.add(reply)
	o.reset()
	if o.take(reply) {
		t.Error("what was published over an ended connection is still waited for")
	}
}

func TestOwnIsBoundedInNumberAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &own{}
		o.add([]byte("first"))
		for range ownMax {
			o.add([]byte("many"))
		}
		if len(o.out) > ownMax || o.take([]byte("first")) {
			t.Errorf("%d publications are remembered", len(o.out))
		}
		time.Sleep(ownLife + time.Second)
		if o.take([]byte("many")) {
			t.Error("an echo is still expected after a minute")
		}
	})
}
