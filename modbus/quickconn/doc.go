// Package quickconn has TCP connections whose reads and writes the Go scheduler does not
// hear of. On a socket that does not block, a system call is over before the scheduler
// could do anything about it, but telling it wakes its monitor, which then looks around
// every 20 µs: on a gateway that mostly waits, that takes more time than the calls.
// Waiting for the other side is still the runtime's, and so are deadlines and closing.
//
// Limits: TCP on Linux. Elsewhere connections are as package net has them.
package quickconn
