// Package device has a virtual device: its registers with their side effects, and what it
// measures, which moves by the models of its profile, can be pinned, and is decided by
// the device's seed and the time since its start.
package device
