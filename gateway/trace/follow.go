package trace

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"modferry/gateway/bus"
	"modferry/modbus"
)

// maxLine bounds a line of the stream: an entry with two of the longest frames has a third of it.
const maxLine = 16 << 10

// longest is what a transaction may have taken.
const longest = 24 * time.Hour

// Follow reads the stream of a gateway elsewhere, that of the request, and gives each
// entry to take; lost is told how many were dropped because we were too slow. since is
// the number of the last entry that is known already, 0 = none. It ends when the stream
// does, with [ErrGone] if the bus is gone, or when take fails.
func Follow(client *http.Client, r *http.Request, since uint64, take func(Entry) error, lost func(n uint64)) error {
	r.Header.Set("Accept", "text/event-stream")
	if since > 0 {
		r.Header.Set("Last-Event-ID", strconv.FormatUint(since, 10))
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return refusal(answer)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	event := ""
	for lines.Scan() {
		switch key, value, _ := strings.Cut(lines.Text(), ": "); key {
		case "event":
			event = value
		case "data":
			if err := handle(event, value, take, lost); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

// ErrGone: the bus is not there any more.
var ErrGone = errors.New("the bus is gone")

// Refused is an answer that is no stream.
type Refused struct {
	Status int // of HTTP
	Why    string
}

func (e *Refused) Error() string { return e.Why }

func refusal(answer *http.Response) error {
	var said struct{ Error string }
	body := io.LimitReader(answer.Body, maxLine)
	if json.NewDecoder(body).Decode(&said) != nil || said.Error == "" {
		said.Error = answer.Status
	}
	return &Refused{answer.StatusCode, said.Error}
}

func handle(event, data string, take func(Entry) error, lost func(n uint64)) error {
	switch event {
	case "gone":
		return ErrGone
	case "lost":
		var of struct{ Count uint64 }
		if err := json.Unmarshal([]byte(data), &of); err != nil {
			return fmt.Errorf("the stream cannot be read: %w", err)
		}
		lost(of.Count)
	case "transaction":
		var e Entry
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return fmt.Errorf("the stream cannot be read: %w", err)
		}
		return take(e)
	}
	return nil
}

// UnmarshalJSON is the inverse of [Entry.MarshalJSON].
func (e *Entry) UnmarshalJSON(text []byte) error {
	var w struct {
		Number         uint64
		Time           time.Time
		Unit           byte
		Framing        string
		Poll           bool
		Client         string
		Request, Reply string
		Elapsed        float64 `json:"elapsed_ms"`
		Outcome        string
		Exception      byte
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	request, err := hex.DecodeString(w.Request)
	if err != nil {
		return err
	}
	reply, err := hex.DecodeString(w.Reply)
	if err != nil {
		return err
	}
	*e = Entry{Number: w.Number, Time: w.Time}
	e.Unit, e.Poll, e.Client, e.Request, e.Reply, e.Exception = w.Unit, w.Poll, w.Client, request, reply, w.Exception
	e.Elapsed = time.Duration(max(0, min(w.Elapsed, float64(longest.Milliseconds()))) * float64(time.Millisecond))
	for f := range modbus.Framing(8) {
		if strings.EqualFold(f.String(), w.Framing) {
			e.Framing = f
		}
	}
	for o := range bus.Outcome(bus.Outcomes) {
		if o.String() == w.Outcome {
			e.Outcome = o
		}
	}
	return nil
}
