package poll

import (
	"modferry/gateway/bus"
	"modferry/modbus"
)

// Together makes several polls at the same time; the replies are good until the next call.
type Together interface {
	Do(requests []modbus.PDU) []bus.Reply
}

// ahead is what was read before its turn, where the line carries several transactions
// at a time. It holds good replies only: all else is asked for again, in its turn.
type ahead struct {
	line     Together // nil = one after the other
	most     int
	trouble  bool // something failed since the last round
	requests []modbus.PDU
	replies  []early // not used yet
}

// early is the data of a reply that nobody has looked at.
type early struct {
	place hole
	data  []byte
}

// readAhead makes the reads that are next, if that can be done together.
func (p *Poller) readAhead(next []Read) {
	a := &p.early
	if a.line == nil || a.trouble || len(a.replies) > 0 || len(next) < 2 || p.mute || p.away {
		return
	}
	next = next[:min(len(next), a.most)]
	a.requests = a.requests[:0]
	for i := range next {
		if next[i].alone || p.rests(&next[i]) {
			next = next[:i]
			break
		}
		a.requests = append(a.requests, next[i].pdu)
	}
	for i, r := range a.line.Do(a.requests) {
		if data := next[i].dataOf(r); data != nil {
			a.replies = append(a.replies, early{next[i].place(), data})
		} else {
			a.trouble = true
		}
	}
}

// take returns the data that was read ahead for a read, nil if it was not.
func (a *ahead) take(r *Read) []byte {
	for i := range a.replies {
		if a.replies[i].place == r.place() {
			data := a.replies[i].data
			a.replies = append(a.replies[:i], a.replies[i+1:]...)
			return data
		}
	}
	return nil
}

// forget is for when something was written meanwhile, and at the end of a round.
func (a *ahead) forget() { a.replies, a.trouble = a.replies[:0], false }

func (r *Read) place() hole { return hole{r.Table, r.Address, r.Quantity} }

// dataOf returns the data of a good reply, nil if it is none.
func (r *Read) dataOf(reply bus.Reply) []byte {
	pdu := reply.PDU
	if reply.Err != nil || pdu.FunctionCode != r.Table.ReadFunction() || len(pdu.Data) != 1+r.size() || int(pdu.Data[0]) != r.size() {
		return nil
	}
	return pdu.Data[1:]
}

// size returns the number of data bytes of its reply.
func (r *Read) size() int {
	if r.Table.IsBits() {
		return (r.Quantity + 7) / 8
	}
	return 2 * r.Quantity
}
