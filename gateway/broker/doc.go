// Package broker is the embedded MQTT broker: 3.1, 3.1.1 and 5 over TCP and
// WebSocket, QoS 0 to 2, retained messages, sessions kept in memory. It exists so
// that a demo or one machine needs no other server; it writes nothing to disk, and
// a restart forgets sessions and retained messages. It is the only package that
// imports github.com/mochi-mqtt/server.
//
// Without users everybody may read and write everything, so such a broker belongs
// on the loopback interface. With users each one may publish and subscribe within
// its own topic filters, and nothing else.
//
// A message is at most 256 KiB. A subscriber that reads too slowly holds nobody up:
// its messages wait in a bounded queue, and what does not fit there is dropped, also
// at QoS 1 and 2. Where that is not good enough, use a broker of its own.
package broker
