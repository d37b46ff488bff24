// Package config reads the configuration of a simulator: its devices, described by
// profiles, one by one or in a CSV file, the faces they are reached by, faults, the clock
// and the control. It opens nothing; package simulator does that with a [Config].
package config
