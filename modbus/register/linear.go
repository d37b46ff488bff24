package register

import (
	"math"
	"strconv"
)

// linear is a field's way from raw to value and back: value = raw x scale + offset.
// With exact set, the same in whole numbers: value x 10^decimals = raw x factor + shift.
type linear struct {
	scale, offset float64
	keep          int // Field.Decimals
	exact         bool
	factor, shift int64
	decimals      int
}

func (f *Field) linear() linear {
	l := linear{scale: f.scale(), offset: f.Offset, keep: f.Decimals}
	scale, ok1 := decimalOf(l.scale)
	offset, ok2 := decimalOf(l.offset)
	l.decimals = max(scale.decimals, offset.decimals)
	scale, ok3 := scale.to(l.decimals)
	offset, ok4 := offset.to(l.decimals)
	l.factor, l.shift = scale.mantissa, offset.mantissa
	l.exact = ok1 && ok2 && ok3 && ok4 && l.factor != 0
	return l
}

// integer returns the value of a raw whole number.
func (l *linear) integer(raw int64) Value {
	if l.exact {
		if d, ok := l.apply(raw); ok {
			return decimalValue(d)
		}
	}
	return l.float(float64(raw), 64)
}

func (l *linear) apply(raw int64) (decimal, bool) {
	m, ok := multiply(raw, l.factor)
	if !ok {
		return decimal{}, false
	}
	if m, ok = add(m, l.shift); !ok {
		return decimal{}, false
	}
	return l.rounded(decimal{m, l.decimals})
}

func (l *linear) rounded(d decimal) (decimal, bool) {
	if l.keep < 0 {
		return d.trim(), true
	}
	return d.to(l.keep)
}

// unsigned returns the value of a raw number above the int64 range.
func (l *linear) unsigned(raw uint64) Value {
	if l.scale == 1 && l.offset == 0 && l.keep <= 0 {
		return Value{kind: unsigned, bits: raw}
	}
	return l.float(float64(raw), 64)
}

// float returns the value of a raw floating point number that was written with size
// bits, null if it is none (NaN, an infinity, or beyond float64 when scaled). A float32
// is first taken as the shortest decimal number that means it. 15 significant digits
// are what a float64 calculation keeps free of noise.
func (l *linear) float(raw float64, size int) Value {
	v := Value{kind: floating, decimals: int8(l.keep)}
	if plain := l.scale == 1 && l.offset == 0; plain && l.keep < 0 {
		v.single = size == 32
	} else {
		if size == 32 {
			if d, ok := l.short(raw); ok {
				return decimalValue(d)
			}
			raw = reread(raw, -1, 32)
		}
		if !plain {
			raw = reread(raw*l.scale+l.offset, 15, 64)
		}
		if l.keep >= 0 {
			raw = roundTo(raw, l.keep)
		}
	}
	if !finite(raw) {
		return Value{}
	}
	v.bits = math.Float64bits(raw)
	return v
}

// short calculates with a float32 of a usual size in whole numbers. It is not ok where
// the result is printed with an exponent, or has more than 15 digits.
func (l *linear) short(raw float64) (decimal, bool) {
	const most, least = 1e15, 1e-6
	if !l.exact || !(math.Abs(raw) < most) {
		return decimal{}, false
	}
	var buf [32]byte
	d, ok := parseDigits(strconv.AppendFloat(buf[:0], raw, 'f', -1, 32))
	decimals := d.decimals + l.decimals
	if !ok || decimals >= len(powers) {
		return decimal{}, false
	}
	m, ok1 := multiply(d.mantissa, l.factor)
	shift, ok2 := multiply(l.shift, powers[d.decimals])
	m, ok3 := add(m, shift)
	d = decimal{m, decimals}.trim()
	if !ok1 || !ok2 || !ok3 || d.decimals > MaxDecimals || magnitude(d.mantissa) >= most || m != 0 && math.Abs(d.float()) < least {
		return decimal{}, false
	}
	if l.keep < 0 {
		return d, true
	}
	return d.to(l.keep)
}

func reread(v float64, digits, size int) float64 {
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, size), 64)
	return v
}

// roundTo rounds half away from zero, as decimals do; where that is beyond the
// precision of v, v already is round.
func roundTo(v float64, decimals int) float64 {
	if d, ok := decimalOf(v); ok {
		if d, ok = d.to(decimals); ok {
			return d.float()
		}
	}
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'f', decimals, 64), 64)
	return v
}

// raw returns the whole number whose value is nearest to v. It is not ok if no int64 is near.
func (l *linear) raw(v Value) (int64, bool) {
	if d, ok := v.decimal(); ok && l.exact {
		digits := max(l.decimals, d.decimals)
		d, ok1 := d.to(digits)
		factor, ok2 := decimal{l.factor, l.decimals}.to(digits)
		shift, ok3 := decimal{l.shift, l.decimals}.to(digits)
		if ok1 && ok2 && ok3 && shift.mantissa != math.MinInt64 {
			if m, ok := add(d.mantissa, -shift.mantissa); ok {
				return divideRounded(m, factor.mantissa), true
			}
		}
	}
	f := math.Round((v.Float() - l.offset) / l.scale)
	return int64(f), f >= math.MinInt64 && f < math.MaxInt64
}
