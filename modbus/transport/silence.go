package transport

import "time"

// A request without a reply says little of the connection it went over: behind a
// gateway, one dead unit would have it closed and opened at every poll, and the
// replies of the other units lost with it. A connection on which nothing came in
// answer to a request is given up
//
//   - at once, if the other side's system did not even acknowledge the request, after
//     longer than it may put that off and a repetition: a cable, a router or the
//     server itself is gone. Waiting would be for nothing, as systems do so for minutes;
//   - otherwise after the second such request in a row, sent after the first was given
//     up. What acknowledges may be a system whose program hangs, or a box on the way
//     that forgot the connection, and only a new one can tell. Two dead units that are
//     the only ones asked cost a connection every other request, which is cheap and,
//     as their polls rest after some timeouts, rare.

// longestAcknowledgement is how long a TCP may put off an acknowledgement [RFC 9293, 3.8.6.3].
const longestAcknowledgement = 500 * time.Millisecond

// silence counts the requests in a row in answer to which nothing came. Its zero value is for a new connection.
type silence struct {
	doubted  bool
	requests uint64 // that had been sent when the first of the row was given up
	received uint64 // what had come then, of whatever is counted
}

// note takes that the request which was the connection's nth was given up and that
// nothing came since it was sent. It reports whether that is the second in a row.
func (s *silence) note(n, sent, received uint64) (second bool) {
	if s.doubted && s.received == received {
		return n > s.requests
	}
	*s = silence{true, sent, received}
	return false
}
