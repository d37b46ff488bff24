// Package simulator is a line of virtual devices that apps are developed against:
// devices of profiles, or described one by one, whose measured values move, whose
// registers have the side effects of real ones, and whose state is the same behind
// all their faces: Modbus TCP, with TLS or in datagrams, RTU and ASCII on a pseudo
// terminal, a serial port, TCP connections or MQTT messages, and in memory, for
// tests of Go programs ([Simulator.Memory], [Simulator.Join]).
//
// A virtual device is deterministic: its seed and the time since its start decide
// every value. What is written stays over a power cycle, as in a real device's
// EEPROM, and some of it only applies then; see [Simulator.PowerCycle].
//
// On a serial line units that are not there keep silent, and broadcasts reach all.
// Over TCP the same holds, as for devices behind a converter, except that unit 0 and
// 255 mean the device itself if there is only one.
//
// A [Fault] lets requests go wrong on any face, a [Call] is kept of each, and the
// [Clock] can be stopped and stepped; package control has all this over HTTP.
//
// This package has the faces, and what they have in common: which devices a request
// reaches, and what is sent for it. Devices, faults, calls, the clock and the
// configuration have packages of their own, and their names are here as well: whoever
// uses the simulator as a library needs this one only.
package simulator
