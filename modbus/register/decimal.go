package register

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// decimal is mantissa x 10^-decimals, 0 <= decimals <= MaxDecimals.
type decimal struct {
	mantissa int64
	decimals int
}

var powers = [...]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

func (d decimal) float() float64 { return float64(d.mantissa) / float64(powers[d.decimals]) }

// decimalOf returns the shortest decimal number that reads back as v. It is not ok
// for numbers with more than 15 decimals or a mantissa beyond 18 digits.
func decimalOf(v float64) (decimal, bool) {
	switch v { // the scales of nearly every device, without formatting
	case 0:
		return decimal{}, true
	case 1:
		return decimal{1, 0}, true
	case 0.1:
		return decimal{1, 1}, true
	case 0.01:
		return decimal{1, 2}, true
	case 0.001:
		return decimal{1, 3}, true
	}
	if !finite(v) {
		return decimal{}, false
	}
	return parseDecimal(strconv.FormatFloat(v, 'f', -1, 64))
}

// parseDecimal reads digits with at most one point and a sign, as many as fit.
func parseDecimal(text string) (decimal, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	if len(fraction) > MaxDecimals {
		return decimal{}, false
	}
	m, err := strconv.ParseInt(whole+fraction, 10, 64)
	return decimal{m, len(fraction)}, err == nil
}

// parseDigits is parseDecimal for the digits of a float32, of which only those of a
// usual size are wanted.
func parseDigits(text []byte) (d decimal, ok bool) {
	const most = 18
	if len(text) > most {
		return d, false
	}
	negative, point := false, false
	for _, c := range text {
		switch c {
		case '-':
			negative = true
		case '.':
			point = true
		default:
			d.mantissa = 10*d.mantissa + int64(c-'0')
			if point {
				d.decimals++
			}
		}
	}
	if negative {
		d.mantissa = -d.mantissa
	}
	return d, true
}

// trim drops zeros at the end.
func (d decimal) trim() decimal {
	for d.decimals > 0 && d.mantissa%10 == 0 {
		d.mantissa /= 10
		d.decimals--
	}
	return d
}

// to returns d with exactly n decimals, rounded half away from zero. It is not ok
// if the mantissa does not fit.
func (d decimal) to(n int) (decimal, bool) {
	if n >= d.decimals {
		m, ok := multiply(d.mantissa, powers[n-d.decimals])
		return decimal{m, n}, ok
	}
	return decimal{divideRounded(d.mantissa, powers[d.decimals-n]), n}, true
}

func (d decimal) append(dst []byte) []byte {
	if d.decimals == 0 {
		return strconv.AppendInt(dst, d.mantissa, 10)
	}
	if d.mantissa < 0 {
		dst = append(dst, '-')
	}
	var buf [24]byte // 19 digits and a point, written from the end
	at, m := len(buf), magnitude(d.mantissa)
	for n := 0; m > 0 || n <= d.decimals; n++ {
		if n == d.decimals && n > 0 {
			at--
			buf[at] = '.'
		}
		at--
		buf[at] = '0' + byte(m%10)
		m /= 10
	}
	return append(dst, buf[at:]...)
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

func multiply(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	if (a < 0) != (b < 0) {
		return -int64(lo), hi == 0 && lo <= 1<<63
	}
	return int64(lo), hi == 0 && lo <= math.MaxInt64
}

func add(a, b int64) (int64, bool) {
	sum := a + b
	return sum, (sum > a) == (b > 0)
}

// divideRounded returns a/b rounded half away from zero.
func divideRounded(a, b int64) int64 {
	q, r := magnitude(a)/magnitude(b), magnitude(a)%magnitude(b)
	if r >= magnitude(b)-r {
		q++
	}
	if (a < 0) != (b < 0) {
		return -int64(q)
	}
	return int64(q)
}
