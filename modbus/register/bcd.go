package register

// fromBCD returns the number with the decimal digits of raw; it is not ok if a digit
// is above 9.
func fromBCD(raw uint64) (n int64, ok bool) {
	for shift := 60; shift >= 0; shift -= 4 {
		digit := int64(raw >> shift & 0xF)
		if digit > 9 {
			return 0, false
		}
		n = 10*n + digit
	}
	return n, true
}

// toBCD is the inverse of fromBCD for numbers of up to 16 digits.
func toBCD(n int64) (raw uint64) {
	for shift := 0; n > 0; shift += 4 {
		raw |= uint64(n%10) << shift
		n /= 10
	}
	return raw
}

// mostBCD returns the greatest number of so many bytes.
func mostBCD(size int) int64 { return powers[2*size] - 1 }
