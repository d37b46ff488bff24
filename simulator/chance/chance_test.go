package chance_test

import (
	"math"
	"testing"

	"modferry/simulator/chance"
)

// Numbers stay within their bounds, get about, and are the same each time, but not for
// another name, seed or count.
func TestNumbers(t *testing.T) {
	sum := 0.0
	for n := range int64(10_000) {
		v := chance.Noise("a", 1, n)
		if v < -1 || v > 1 || v != chance.Noise("a", 1, n) {
			t.Fatalf("number %d is %v", n, v)
		}
		if v == chance.Noise("b", 1, n) || v == chance.Noise("a", 2, n) || v == chance.Noise("a", 1, n+1) {
			t.Errorf("number %d is the same under other circumstances", n)
		}
		if p := chance.Of("a", 1, n); p < 0 || p >= 1 {
			t.Fatalf("chance %d is %v", n, p)
		}
		sum += v
	}
	if math.Abs(sum/10_000) > 0.05 {
		t.Errorf("on average they are %v", sum/10_000)
	}
}

// A seed means the same in each version: recorded runs can be repeated.
func TestNumbersStay(t *testing.T) {
	if got, want := chance.Noise("temperature", 7, 0), -0.8097371157148536; got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
