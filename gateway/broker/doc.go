// Package broker is the embedded MQTT broker: 3.1, 3.1.1 and 5 over TCP, TLS and
// WebSocket, QoS 0 to 2, retained messages, wills, shared subscriptions, sessions
// that outlive their connection. It exists so that a demo or one machine needs no
// other server. One lock guards all state; nothing that holds it waits for a client
// or for the disk.
//
// # Who may do what
//
// Without users everybody may read and write everything, so such a broker belongs
// on the loopback interface. With users each one may publish and subscribe within
// its own topic filters, and nothing else. [Own] reserves the gateway's client id
// for the gateway in both cases. $SYS topics are for reading only.
//
// # What it keeps, and for how long
//
// With Options.Dir the retained messages, wills and the sessions of clients that want
// them kept (subscriptions, waiting and unacknowledged messages, QoS 2 ids) survive a
// restart, also a sudden one. A message at QoS 1 or 2 for a client that is away is on
// disk before its publisher gets the acknowledgement. Everything else is written at
// most about 50 ms later, together with what comes meanwhile: retained messages,
// subscriptions, and messages for clients that are connected. A crash in between loses
// those changes; a QoS 2 message whose exchange was in progress can then arrive twice.
// Where the disk does not take it, the broker goes on in memory and the log says so;
// what it holds is written when the disk works again. A damaged file is set aside, and
// what it says up to the damage is kept.
//
// A session lasts at most seven days without its client, a message until its expiry
// interval is over; both go by the wall clock over a restart. When the process was
// killed, a client that was connected has lost its connection: its will is published
// at the next start, after its delay. Without Options.Dir all of this ends with the
// process.
//
// # Bounds
//
// Options.Memory bounds the bytes of messages, sessions' queues and subscriptions.
// When more comes, who holds most pays: a session loses its oldest messages, also at
// QoS 1 and 2; a connection that does not take what is being written to it is closed;
// of the retained messages, at most half of the memory, the client that published most
// of them loses its oldest. A packet is at most 1 MiB and 128 KiB, a topic 4096 bytes
// and 128 levels. There are at most 512 clients, 1024 sessions, 10000 retained topics,
// 1000 subscriptions and 16384 waiting messages or 8 MiB of them per client. A client
// gets at most 256 messages at QoS 1 and 2, or 512 KiB of them, ahead of its
// acknowledgements. A connection has 10 s for its CONNECT packet, 30 s for any other
// packet it begins, and 20 s to take what is written to it.
//
// # What it does not do
//
// No topic aliases, no authentication methods, no request-response information. Its
// session expiry is at most seven days, which MQTT 5 clients are told. A message that
// a member of a shared subscription leaves unacknowledged waits for that member. The
// order of messages holds per QoS: one at QoS 0 can overtake those at QoS 1 and 2 that
// wait for acknowledgements. It is one process on one machine: no bridges, no clusters.
package broker
