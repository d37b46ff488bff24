package mqtt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"
)

// rival notices that another client probably uses the client id: the broker ends one
// connection after the other soon after it was made, and is there. MQTT 3.1.1 has no
// word for it, and some brokers say none with MQTT 5. One goroutine uses it.
type rival struct {
	losses int       // in a row
	said   time.Time // when that was logged
}

const (
	rivalLosses  = 5
	rivalLife    = 20 * time.Second // of a connection at most: longer than both wait
	rivalBackoff = 5 * time.Second  // at most: it may be something else
	rivalSaid    = time.Minute      // between two lines in the log
	rivalProbe   = time.Second
)

// note takes how a connection ended that lived for so long, 0 if none was made. It
// returns what to say of that.
func (r *rival) note(ctx context.Context, o *Options, lived time.Duration, err error) error {
	var said *trouble
	switch {
	case errors.Is(err, errTakenOver): // which says it, and what to do
		return err
	case lived == 0 || lived > rivalLife || !isEnd(err) || !isThere(ctx, o.URL):
		r.losses = 0
		return err
	}
	if r.losses++; r.losses < rivalLosses {
		return err
	}
	if errors.As(err, &said) {
		err = said
	}
	return &trouble{fmt.Sprintf("the broker ends each connection soon after it was made (%v): another client probably uses the client id %q, give each its own with mqtt.client_id", err, o.ClientID), err}
}

// suspected reports whether there probably is another client.
func (r *rival) suspected() bool { return r.losses >= rivalLosses }

// isDue reports whether it is time to say so again.
func (r *rival) isDue() bool {
	if time.Since(r.said) < rivalSaid {
		return false
	}
	r.said = time.Now()
	return true
}

// isEnd reports whether the other side ended the connection.
func isEnd(err error) bool {
	return endedBy(err) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, errClosedByBroker)
}

// isThere reports whether something listens at the broker's address: one that was killed
// does not, for a moment at least.
func isThere(ctx context.Context, address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, rivalProbe)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was said over it
	return true
}
