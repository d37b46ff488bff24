package recording

import (
	"strconv"
	"testing"

	"modferry/modbus"
	"modferry/modbus/register"
)

// MaxFile is how large the CSV file may become.
const MaxFile = maxFile

// Smaller makes that less.
func Smaller(o Options, most int64) Options {
	o.maxFile = most
	return o
}

// Cell is what stands in the CSV file.
var Cell = cell

// Back reads a cell as a replay does.
func Back(t *testing.T, f register.Field, text string) []uint16 {
	var v register.Value
	if text != "" {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		if v = register.Number(n); len(text) > 15 { // more digits than a float64 has
			if v, err = register.Parse([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	b, err := f.AppendData(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return modbus.Registers(b)
}

// counter counts bytes.
type counter int

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// ValuesSize returns how long the CSV file gets.
func ValuesSize(c *Recording) int {
	var n counter
	_ = c.writeValues(&n) // a counter takes everything
	return int(n)
}
