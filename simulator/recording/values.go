package recording

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// ValuesFile is the name of the file with the values over time.
const ValuesFile = "values.csv"

// timeColumn is the column with the seconds since the start.
const timeColumn = "seconds"

// writeValues writes what moved, a row for each round that was answered.
func (c *Recording) writeValues(to io.Writer) error {
	w := bufio.NewWriter(to)
	fmt.Fprintf(w, "# %s\n", c.headline())
	for _, g := range c.Gaps {
		fmt.Fprintf(w, "# not all was answered from %s to %s: %s\n", seconds(g.From), seconds(g.To), oneLine(g.Why))
	}
	fmt.Fprint(w, timeColumn)
	columns := c.columns()
	for _, col := range columns {
		fmt.Fprint(w, ",", col.Name)
	}
	fmt.Fprintln(w)
	for row, at := range c.times {
		_, _ = w.WriteString(seconds(at)) // the error comes with the flush
		for i := range columns {
			_ = w.WriteByte(',')
			_, _ = w.WriteString(columns[i].at(row))
		}
		_ = w.WriteByte('\n')
	}
	return w.Flush()
}

// column is a value that moves, on its way through the rows.
type column struct {
	entry
	next int // change
	text string
}

func (c *Recording) columns() (all []*column) {
	for _, e := range c.entries {
		if e.block != nil {
			all = append(all, &column{entry: e})
		}
	}
	return all
}

// at returns the value of a row; rows are asked for in order.
func (c *column) at(row int) string {
	for c.next < len(c.block.changes) && c.block.changes[c.next].row <= row {
		if values := c.block.of(c.part, c.block.changes[c.next]); c.part.known == nil {
			c.text = strconv.FormatUint(uint64(values[0]), 10)
		} else {
			c.text, _ = cell(c.Field, values) // it was tried
		}
		c.next++
	}
	return c.text
}

// seconds writes a time to the millisecond.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Milliseconds())/1000, 'f', -1, 64)
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (c *Recording) headline() string {
	return fmt.Sprintf("Recorded by modferry simulator record from %s, unit %d, on %s.", oneLine(c.From), c.Unit, c.Start.UTC().Format(time.RFC3339))
}
