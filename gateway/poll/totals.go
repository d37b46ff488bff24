package poll

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"modferry/gateway/notebook"
	"modferry/modbus/compute"
)

// Totals keeps over restarts what computed readings have counted. What a total says of
// a counter goes with the counter's value then, so that a file which is a while old
// loses nothing: the difference is counted with the next value.
type Totals struct {
	*notebook.Notebook

	mu    sync.Mutex
	known map[string]map[string]tally // by device and reading
	used  map[string]bool             // devices; recalled or kept by this process
}

// tally is what one computed reading has counted.
type tally struct {
	Expression string          `json:"expression"` // with another one it begins anew
	Time       time.Time       `json:"time"`
	Totals     []compute.Total `json:"totals"`
}

const (
	totalsName  = "totals.json"
	totalsPause = time.Minute // between two writes: memory cards wear out
)

// OpenTotals returns the totals in a folder, "" = some that a restart empties. Nothing
// is written before [Totals.Run].
func OpenTotals(folder string, log *slog.Logger) *Totals {
	t := &Totals{known: map[string]map[string]tally{}, used: map[string]bool{}}
	t.Notebook = notebook.Open(notebook.Options{
		Folder: folder, Name: totalsName, What: "what computed readings have counted", Pause: totalsPause, Text: t.content, Log: log,
		Take: func(text []byte) (err error) {
			known, err := parseTotals(text)
			if err == nil {
				t.known = known
			}
			return err
		},
	})
	return t
}

func parseTotals(text []byte) (map[string]map[string]tally, error) {
	known := map[string]map[string]tally{}
	if err := json.Unmarshal(text, &known); err != nil {
		return nil, err
	}
	if known == nil { // the text is null
		return nil, errors.New("it says nothing")
	}
	return known, nil
}

// resume has an expression go on where it was.
func (t *Totals) resume(device, reading, expression string, e *compute.Expression) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.used[device] = true
	if k := t.known[device][reading]; k.Expression == expression {
		e.Resume(k.Totals)
	}
}

// keep has what an expression counted written soon. It does not wait for the disk.
func (t *Totals) keep(device, reading, expression string, e *compute.Expression) {
	totals := e.Totals()
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Equal(t.known[device][reading].Totals, totals) {
		return
	}
	if t.known[device] == nil {
		t.known[device] = map[string]tally{}
	}
	t.used[device] = true
	t.known[device][reading] = tally{expression, time.Now().UTC().Truncate(time.Second), totals}
	t.Tell()
}

// content is what the file has.
func (t *Totals) content() ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.known, func(device string, readings map[string]tally) bool {
		maps.DeleteFunc(readings, func(_ string, k tally) bool { return !t.used[device] && time.Since(k.Time) > forgotten })
		return len(readings) == 0
	})
	return json.MarshalIndent(t.known, "", " ")
}
