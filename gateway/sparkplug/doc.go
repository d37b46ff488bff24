// Package sparkplug makes a gateway's readings those of a Sparkplug B edge node. The
// reference is the Sparkplug specification, version 3.0; terms are its own: a group has
// edge nodes, a node has devices, a device has metrics, and host applications read them.
//
//	spBv1.0/<group>/NBIRTH/<node>            the node begins; seq 0
//	spBv1.0/<group>/DBIRTH/<node>/<device>   all metrics of a device, with names and aliases
//	spBv1.0/<group>/DDATA/<node>/<device>    metrics that changed, by alias
//	spBv1.0/<group>/DDEATH/<node>/<device>   the device does not answer
//	spBv1.0/<group>/NDEATH/<node>            the node ends; published by the broker if need be
//	spBv1.0/<group>/NCMD/<node>              a host asks for new births
//	spBv1.0/<group>/DCMD/<node>/<device>     a host writes a metric
//
// A [Node] keeps the newest value of each metric, and what its hosts know. [Node.Next]
// makes the message that brings them on, when it is about to go out, so that sequence
// numbers have no gaps and a slow connection skips values, not births. [Payload] is
// the content of messages, pure.
//
// # Limits
//
// There is no primary host, and one broker. What is read while the broker is away is
// not published later. A value that is not good is null.
package sparkplug
