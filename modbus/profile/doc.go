// Package profile describes a device in one YAML file for both sides of a line:
// what to read from it, and how often (its readings), and what it is itself, for a
// virtual one (its functions and registers).
//
//	title: Thermometer with a set-point
//	source: the maker's manual, revision 3
//	unit: 1
//	serial: {baud: 9600, parity: none, data_bits: 8, stop_bits: 1}
//	every: 5s
//	heartbeat: 60s
//	readings:
//	  temperature: {input: 1, type: int16, scale: 0.1, unit: "°C", deadband: 0.2, no_data: 0x8000}
//	  setpoint: {holding: 0x0103, type: int16, scale: 0.1, set: {min: -10, max: 10}}
//	functions: [3, 4, 6, write_multiple_registers]
//	registers:
//	  temperature: {min: -40, max: 60, wave: {mean: 2, amplitude: 8, period: 4m, noise: 0.1}}
//	  setpoint: {initial: 5, min: -10, max: 10}
//	  address: {holding: 0x0101, type: uint16, initial: 1, min: 1, max: 247, is: unit, applies: restart}
//
// A register that has the name of a reading lies where that reading does. Registers
// that nothing reads can be there, too: what a device answers between its values.
//
// The device's own side says how its registers behave: which may be written, with
// which values, what a write changes and when, and how measured values move.
package profile
