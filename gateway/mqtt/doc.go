// Package mqtt keeps the gateway's session with its broker, over MQTT 3.1.1 or 5: it
// connects and reconnects, subscribes at every connect, announces itself, and
// publishes. It is the only package of the gateway that imports an MQTT client library.
//
// # What is published
//
// An [Event] (a reply, an error) is published once, in order within its flow; events
// wait for the broker in a bounded queue. Of a [State] (a reading, a status) only the
// newest of each topic counts; all are published again after every reconnect, ahead of
// the events, the status topic first. What [Session.Deliver] publishes comes last. At
// QoS 1 a message can arrive twice after a cut; at QoS 2 it does not, as long as the
// process lives.
// With MQTT 3.1.1 at most 16 are under way at QoS 2: mosquitto drops what is
// beyond its max_inflight_messages, 20 unless configured, and acknowledges it.
//
// # What is received
//
// The broker keeps the session, and what comes for it, while the gateway is away. A
// message is acknowledged when [Message].Ack says that it is taken care of: one that
// was not is delivered again, also to the next process. At most 8 messages wait for
// that; with more, the oldest is acknowledged early, because a broker sends only some
// ahead of its acknowledgements (mosquitto: 20), and one bus that hangs must not hold
// up the others. A session that was away for longer than Options.ResumeWithin is
// discarded at the broker, with all that waited in it: old requests are not executed.
// What comes over a connection that was silent for longer than that, or than 4 s, is
// dropped, and the next connection begins a new session: the process, the broker or the
// network may have stood still.
//
// # The status topic
//
// It says online, retained, while the session is connected, and offline otherwise, by
// the will. Should anything else be said there, such as the will of an earlier
// connection that comes late, the session says online again.
package mqtt
