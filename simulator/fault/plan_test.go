package fault

import "testing"

// Noise is random, and the same in each run.
func TestNoiseIsSeeded(t *testing.T) {
	noise := func(seed, n uint64) string {
		b := Fault{Name: "x", Seed: seed, Noise: Noise{Before: 100, After: 100}}.makeNoise(n)
		return string(b.before) + string(b.after)
	}
	first := noise(1, 1)
	if noise(1, 1) != first || noise(2, 1) == first || noise(1, 2) == first || first[:100] == first[100:] {
		t.Error("noise is not decided by its seed and its count")
	}
	seen := map[byte]bool{}
	for n := range uint64(20) {
		for _, c := range []byte(noise(1, n)) {
			seen[c] = true
		}
	}
	if len(seen) != 256 {
		t.Errorf("%d of 256 bytes are among 4000", len(seen))
	}
}
