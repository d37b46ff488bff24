package sparkplug

import "time"

// Next returns the message that the hosts need most, "" for none. It is to be called
// just before the message goes out, in the order in which messages go out. What is
// lost on the way is lost with the connection, and the next one begins with births.
func (n *Node) Next() (topic string, payload []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.woken = false
	if !n.online {
		return "", nil
	}
	now := time.Now()
	if topic, payload = n.next(now); topic != "" {
		n.wake()
	}
	return topic, payload
}

// next: a birth of the node comes before all else, and births of devices before
// changes [tck-id-payloads-dbirth-order].
func (n *Node) next(now time.Time) (string, []byte) {
	if !n.born {
		return n.topics.of("NBIRTH", ""), n.birth(now)
	}
	if len(n.dead) > 0 {
		name := n.dead[0]
		n.dead = n.dead[1:]
		return n.topics.of("DDEATH", name), n.message(now, nil)
	}
	for _, d := range n.devices {
		switch {
		case d.online && !d.born:
			return n.topics.of("DBIRTH", d.built.Name), n.message(now, d.birth(now))
		case d.born && !d.online:
			d.born = false
			return n.topics.of("DDEATH", d.built.Name), n.message(now, nil)
		}
	}
	for range n.devices {
		d := n.devices[n.turn%len(n.devices)]
		n.turn = (n.turn + 1) % len(n.devices)
		if d.born && d.pending > 0 {
			return n.topics.of("DDATA", d.built.Name), n.message(now, d.changes(now))
		}
	}
	return "", nil
}

// rebirthMetric is what a host sets to true to have all births repeated. It has no alias
// [tck-id-operational-behavior-data-commands-rebirth-name-aliases].
const rebirthMetric = "Node Control/Rebirth"

// birth begins with the sequence number 0 [tck-id-payloads-nbirth-seq]. No device is
// known to the hosts after it.
func (n *Node) birth(now time.Time) []byte {
	n.seq, n.born, n.begun, n.dead = 0, true, now, nil
	n.cancelAgain()
	for _, d := range n.devices {
		d.born = false
	}
	return n.message(now, []Metric{
		n.bdSeqMetric(now),
		{Name: rebirthMetric, Time: now, Type: Boolean},
	})
}

func (n *Node) message(now time.Time, metrics []Metric) []byte {
	p := Payload{Time: now, Metrics: metrics, Seq: int(n.seq)}
	n.seq++ // 0 comes after 255 [tck-id-payloads-sequence-num-incrementing]
	return p.Append(nil)
}

func (n *Node) bdSeqMetric(now time.Time) Metric {
	return Metric{Name: "bdSeq", Time: now, Type: UInt64, Value: Value{Bits: uint64(n.bdSeq.number)}}
}

// Death returns the payload of NDEATH for the present connection. It has no sequence
// number [tck-id-payloads-ndeath-seq].
func (n *Node) Death() []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	p := Payload{Time: now, Metrics: []Metric{n.bdSeqMetric(now)}, Seq: -1}
	return p.Append(nil)
}
