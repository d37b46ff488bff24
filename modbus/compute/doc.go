// Package compute evaluates computed readings: expressions over other readings.
//
//	flow_temperature - return_temperature
//	dew_point(temperature, humidity)
//	total(pulses, 65536) / 1000
//	mode == "heat" ? supply : outdoor
//	boiler.power + pump.power
//
// A name is that of a reading of the same device, or that of a device, a dot and one of
// its readings. Names are taken as long as they are known: where there is a
// reading a-b, a-b means it, and a - b the difference; where there is a reading in, in
// means it, and no operator.
//
// There are numbers, texts and true and false; + - * / ** and comparisons; and or not,
// in, and a condition ? one : other; an item of a block as block[0]; and the functions
// of [Functions].
//
// [Compile] refuses what does not go with the [Kind] of the readings, as far as it is told:
// a bool or text is no number, a name that is compared must be one, an index must be that
// of an item, and the result must be one value.
//
// Limits: an expression has at most [MaxLength] bytes and no loops, so that its cost is
// bounded by its length and that of its blocks. Calculation is in float64 and shown with
// 15 digits, so that 21.5 - 0.1 is 21.4. What cannot be calculated (a division by zero,
// the logarithm of nothing, an input without a value) is no value, never infinity.
package compute
