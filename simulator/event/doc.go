// Package event has what happens to a simulator, and those who are told of it: each
// listener has a bounded queue, and whoever is too slow loses events and hears how many.
package event
