// Package scan finds out what is on a line: which units answer, what they say of
// themselves, which registers they let be read, and which device profile fits.
//
// Nothing is ever written: functions 1 to 4, 17 and 43/14 (read device identification)
// are all that is sent.
//
// A unit is there if anything well-formed comes from it, an exception too. The search
// asks each unit for one register, once; where only noise came back, a second time. A
// unit that answers later than the timeout is found by its late reply, as that names
// the unit, if it comes within twice the timeout.
//
// Ranges are found by halving what is refused, with a bounded number of requests: a
// device refuses a read as a whole if it has not all of it, so that where it has
// little, each single address costs a request. The places that the profiles know are
// read before that.
//
// A profile is called likely or possible, never certain: that all its values are
// answered and plausible does not tell what they mean.
package scan
