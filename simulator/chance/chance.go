// Package chance has numbers that look random, and depend on nothing but a name, a seed
// and a count: the same in each run, whatever came before.
package chance

import "hash/fnv"

// Noise returns a number from -1 to 1 that depends on nothing but its arguments:
// one step of SplitMix64, which spreads neighbouring numbers over all bits.
func Noise(name string, seed uint64, n int64) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	z := (seed ^ h.Sum64()) + uint64(n+1)*0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	z ^= z >> 31
	return float64(z>>11)/(1<<52) - 1
}

// Of is [Noise] from 0 to below 1.
func Of(name string, seed uint64, n int64) float64 { return (Noise(name, seed, n) + 1) / 2 }
