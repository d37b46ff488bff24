// Package register turns the registers and bits of a device into values and back,
// pure: a [Field] says where a value lies and how it is written there, [Field.Decode]
// reads it out of the data of a reply, [Field.AppendData] writes it.
//
// Values are numbers, bools, texts (times are RFC 3339 text in UTC), and blocks of
// them; numbers may have names, and single bits, too.
//
// Scaled integers are decimal numbers, not binary fractions: 305 at scale 0.1 is
// exactly 30.5. A [Value] prints without noise, as text or as JSON. A [Decoder] goes
// from registers to JSON without making values.
//
// Limits: one field lies in one table and is read by one request (at most 125
// registers or 2000 bits). What a device sends instead of a value (a no-data
// sentinel, NaN, an infinity) is never a value; see [ErrNoData]. Numbers of more than
// 18 digits after scaling are kept as float64.
package register
