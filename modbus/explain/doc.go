// Package explain takes a Modbus frame apart for a person who sees one for the
// first time: what it is, what each byte says, and what is wrong with a broken one.
//
// [Frame] takes hex digits in any style, ASCII frames and plain bytes, finds out
// whether they are RTU, ASCII, TCP or bare, and whether a client or a server sent
// them. Some frames are both: the confirmation of a single write repeats its
// request. [Reply] knows the request, so its values have addresses.
//
// Everything is a guess of the reader's intention, from good check codes over
// exact lengths to likeness; a program that acts on frames uses package modbus.
// Pure: no input, output or clock.
package explain
