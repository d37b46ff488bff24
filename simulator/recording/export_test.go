package recording

import (
	"math"
	"strconv"
	"testing"

	"modferry/modbus"
	"modferry/modbus/register"
)

// Cell is what stands in the CSV file.
var Cell = cell

// Back reads a cell as a replay does.
func Back(t *testing.T, f register.Field, text string) []uint16 {
	n := math.NaN()
	if text != "" {
		var err error
		if n, err = strconv.ParseFloat(text, 64); err != nil {
			t.Fatal(err)
		}
	}
	b, err := f.AppendData(nil, register.Number(n))
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
