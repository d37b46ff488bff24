// Package replay has values that were recorded in CSV files, and shows them again, one
// after the other. A file is read once, whole, and is bounded; see [Recordings].
package replay
