// Package server is the device's side of the protocol: it takes requests from TCP
// connections and serial lines, asks a [Handler], and sends its replies.
//
// A [Server] knows lines and frames, a Handler knows units and what they do.
// [Device] is the standard's own Handler: four tables of bits and registers, and the
// exceptions in the order in which the specification's state diagrams find them.
//
// On a serial line a Server hears everything: requests to other units, their
// replies, noise. It takes frames apart by the length that their bytes tell, checks
// them, and says nothing unless a whole request was for it.
//
// Not here: functions 7, 11, 12, 20 and 21. TLS is a matter of the listener.
package server
