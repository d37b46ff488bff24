// Package profile describes a device in one YAML file for both sides of a line:
// what to read from it, and how often (its readings), and what it is itself, for a
// virtual one (its functions and registers).
//
// The device's own side says how its registers behave: which may be written, with
// which values, what a write changes and when, and how measured values move.
package profile
