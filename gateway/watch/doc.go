// Package watch is what somebody who listens to a broker knows of gateways: their
// states and those of their buses and devices, and the readings with their ages,
// qualities and latest course. It also writes it as a table.
//
// It is pure: messages and the time go in, a table of lines comes out.
//
// Limits: at most [MaxReadings] readings are kept, and [Course] values of each. Text of
// a table has no control characters, whatever was published.
package watch
