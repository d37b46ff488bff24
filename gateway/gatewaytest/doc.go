// Package gatewaytest gives tests real parts to work with, as net/http/httptest
// does: a mosquitto broker, a NATS cluster, a proxy that troubles connections, an
// MQTT client, linked pseudo terminals, the modferry program itself. Everything ends
// with the test that asked for it, and listens on free ports of 127.0.0.1 only.
//
// NATS and toxiproxy are tools of this module, which the go command builds.
// Programs that are not part of the module are found on the PATH. A test that lacks
// one is skipped; with MODFERRY_REAL=1 in the environment, as "make test" sets it
// after installing them, it fails.
package gatewaytest
