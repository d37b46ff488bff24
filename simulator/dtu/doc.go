// Package dtu is a serial line that is carried by MQTT, as by a transparent DTU (a
// cellular modem with a serial port): each message on the request topic is bytes
// said to the devices, each thing they say is one message on the response topic.
//
// The connection comes back by itself, and subscribes again. Messages that the
// server had kept from before (retained) are no requests. What the devices say while
// there is no connection is lost, as it is in a modem.
package dtu
