package mqtt

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// v3Wire is a wire as the library uses it.
type v3Wire struct {
	*wire
	store paho.Store
}

// Write stores a PUBREL, which the library does not: without it, the library would
// repeat the PUBLISH over the next connection, for the broker a new message [MQTT-4.4.0-1].
func (w v3Wire) Write(p []byte) (int, error) {
	if len(p) == 4 && p[0] == packets.Pubrel<<4|2 {
		release := packets.NewControlPacket(packets.Pubrel).(*packets.PubrelPacket)
		release.MessageID = binary.BigEndian.Uint16(p[2:])
		w.store.Put(fmt.Sprint("o.", release.MessageID), release)
	}
	return w.wire.Write(p)
}

// SetWriteDeadline gives the broker more time than the library, which sets one before a PUBLISH.
func (w v3Wire) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() {
		t = time.Now().Add(writeTimeout)
	}
	return w.wire.SetWriteDeadline(t)
}

// v3Receipt is a token of the library.
type v3Receipt struct{ paho.Token }

func (r v3Receipt) poll() (bool, error) {
	select {
	case <-r.Done():
		return true, r.Error()
	default:
		return false, nil
	}
}

func (r v3Receipt) wait(ctx context.Context) error { return waitToken(ctx, r.Token) }

func waitToken(ctx context.Context, token paho.Token) error {
	select {
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}
