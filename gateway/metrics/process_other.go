//go:build !unix

package metrics

func processorTime() float64 { return -1 }
