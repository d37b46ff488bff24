// Package recording copies a real device: it finds out which addresses the device
// has, reads them again and again, and writes what it saw as a configuration of the
// simulator with a CSV file of values over time.
//
// A device is only read, never written: functions 1 to 4 are all that is sent.
//
// Terms: a part is what is read as a whole, a value of a profile or a single address;
// a block is what is read with one request; a hole is what the device refuses or is
// silent at; a round reads every block once, and a gap is the time in which a block
// was not answered.
//
// Limits: values that changed between two rounds are as the later round found them. A
// recording has at most [MaxRows] rows and as many bytes as a replay takes; then it ends.
package recording
