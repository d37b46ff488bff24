// Package match has the words by which requests are chosen, for faults and in the log of
// calls: ranges of numbers, functions, tables and kinds of faces. It is pure.
package match
