// Package fault has what goes wrong with requests to virtual devices: a [Fault] as it is
// written in a configuration or sent as JSON, the [List] of a simulator, which counts
// what each concerned, and the [Plan] of what is to be sent for one request.
package fault
