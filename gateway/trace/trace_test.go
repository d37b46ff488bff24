package trace

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"modferry/gateway/bus"
	"modferry/modbus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second // for what must come

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func transaction(unit byte) bus.Transaction {
	return bus.Transaction{
		Client: "panel", Unit: unit, Framing: modbus.RTU, Request: []byte{unit, 4, 0, 1, 0, 1, 0x60, 0x0A}, Reply: []byte{unit, 4, 2, 1, 0x31, 0x79, 0x74},
		Start: noon, Elapsed: 3 * time.Millisecond,
	}
}

func watch(t *testing.T, r *Recorder) (*Watcher, []Entry) {
	t.Helper()
	w, past, err := r.Watch()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w, past
}

func next(t *testing.T, w *Watcher) Entry {
	t.Helper()
	select {
	case e, there := <-w.Entries():
		if !there {
			t.Fatal("the trace ended")
		}
		return e
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return Entry{}
}

func TestAWatcherSeesWhatWasAndWhatComes(t *testing.T) {
	var r Recorder
	first := transaction(1)
	r.Add(first)
	w, past := watch(t, &r)
	second := bus.Transaction{
		Poll: true, Unit: 2, Framing: modbus.TCP, Request: []byte{0, 1, 0, 0, 0, 6, 2, 3, 0, 0, 0, 1}, Start: noon.Add(time.Second),
		Elapsed: 300 * time.Millisecond, Outcome: bus.Timeout,
	}
	r.Add(second)
	clear(first.Request) // the bus uses them again
	clear(second.Request)
	if len(past) != 1 || past[0].Number != 1 || past[0].Client != "panel" || past[0].Poll || past[0].Unit != 1 || past[0].Framing != modbus.RTU ||
		!bytes.Equal(past[0].Request, transaction(1).Request) || !bytes.Equal(past[0].Reply, transaction(1).Reply) || !past[0].Time.Equal(noon) {
		t.Errorf("past %+v", past)
	}
	e := next(t, w)
	if e.Number != 2 || e.Client != "" || !e.Poll || e.Framing != modbus.TCP || e.Request[5] != 6 || len(e.Reply) != 0 || e.Outcome != bus.Timeout || e.Elapsed != 300*time.Millisecond {
		t.Errorf("then %+v", e)
	}
}

func TestThePastIsBounded(t *testing.T) {
	var r Recorder
	long := transaction(1)
	long.Request, long.Reply = make([]byte, modbus.MaxASCII), make([]byte, modbus.MaxASCII)
	for range 1000 {
		r.Add(long)
	}
	for range 1000 {
		r.Add(transaction(1))
	}
	if kept := cap(r.now) + cap(r.before); kept > 3*Kept {
		t.Errorf("%d bytes are kept", kept)
	}
	_, past := watch(t, &r)
	if len(past) < 50 || past[len(past)-1].Number != 2000 {
		t.Fatalf("%d transactions, the last is %d", len(past), past[len(past)-1].Number)
	}
	for i := range past[1:] {
		if past[i+1].Number != past[i].Number+1 {
			t.Errorf("%d comes after %d", past[i+1].Number, past[i].Number)
		}
	}
}

func TestASlowWatcherLosesAndIsTold(t *testing.T) {
	var r Recorder
	slow, _ := watch(t, &r)
	for range queued + 5 {
		r.Add(transaction(1))
	}
	if n := slow.Lost(); n != 5 {
		t.Errorf("%d lost, want 5", n)
	}
	if n := slow.Lost(); n != 0 {
		t.Errorf("%d lost since", n)
	}
	if e := next(t, slow); e.Number != 1 {
		t.Errorf("the first is %d", e.Number)
	}
}

func TestWatchersAreBounded(t *testing.T) {
	var r Recorder
	first, _ := watch(t, &r)
	for range MaxWatchers - 1 {
		watch(t, &r)
	}
	if _, _, err := r.Watch(); err != ErrCrowded {
		t.Errorf("error %v", err)
	}
	first.Close()
	watch(t, &r)
}

func TestTheEndOfABusEndsItsWatchers(t *testing.T) {
	var r Recorder
	w, _ := watch(t, &r)
	r.Close()
	if _, there := <-w.Entries(); there {
		t.Error("there is something")
	}
	r.Add(transaction(1)) // of a bus that is just ending
	if _, _, err := r.Watch(); err != ErrClosed {
		t.Errorf("error %v", err)
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	var r Recorder
	x := transaction(1)
	for range 1000 {
		r.Add(x)
	}
	if n := testing.AllocsPerRun(1000, func() { r.Add(x) }); n != 0 {
		t.Errorf("%v allocations for a transaction that nobody watches", n)
	}
}

func BenchmarkNobodyWatches(b *testing.B) {
	var r Recorder
	x := transaction(1)
	b.ReportAllocs()
	for b.Loop() {
		r.Add(x)
	}
}

// listener reads a stream.
type listener struct {
	*testing.T
	status int
	lines  *bufio.Scanner
}

func listen(t *testing.T, r *Recorder, query string, header http.Header) *listener {
	t.Helper()
	server := httptest.NewServer(Handler(func(bus string) *Recorder {
		if bus == "line" {
			return r
		}
		return nil
	}))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/trace"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	for key, values := range header {
		request.Header[key] = values
	}
	answer, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); answer.Body.Close(); server.Close() })
	return &listener{t, answer.StatusCode, bufio.NewScanner(answer.Body)}
}

// next returns the next event and its data.
func (l *listener) next() (event, data string) {
	l.Helper()
	for l.lines.Scan() {
		key, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch key {
		case "event":
			event = value
		case "data":
			return event, value
		}
	}
	l.Fatalf("the stream ended: %v", l.lines.Err())
	return "", ""
}

// nextNumber returns the number of the next transaction.
func (l *listener) nextNumber() uint64 {
	l.Helper()
	event, data := l.next()
	var e struct{ Number uint64 }
	if err := json.Unmarshal([]byte(data), &e); err != nil || event != "transaction" {
		l.Fatalf("%s %s: %v", event, data, err)
	}
	return e.Number
}

func TestStream(t *testing.T) {
	var r Recorder
	r.Add(transaction(1))
	l := listen(t, &r, "?bus=line", nil)
	event, data := l.next()
	want := `{"number":1,"time":"2026-11-24T12:00:00Z","unit":1,"framing":"rtu","poll":false,"client":"panel",` +
		`"request":"010400010001600A","reply":"01040201317974","elapsed_ms":3,"outcome":"good"}`
	if event != "transaction" || data != want {
		t.Errorf("%s %s, want\n%s", event, data, want)
	}
	r.Add(transaction(2))
	if n := l.nextNumber(); n != 2 {
		t.Errorf("then %d", n)
	}
	r.Close()
	if event, _ := l.next(); event != "gone" {
		t.Errorf("then %s", event)
	}
}

func TestStreamOfOneUnit(t *testing.T) {
	var r Recorder
	for unit := range byte(4) {
		r.Add(transaction(unit))
	}
	l := listen(t, &r, "?bus=line&unit=3", nil)
	if n := l.nextNumber(); n != 4 {
		t.Errorf("at first %d", n)
	}
	r.Add(transaction(2))
	r.Add(transaction(3))
	if n := l.nextNumber(); n != 6 {
		t.Errorf("then %d", n)
	}
}

func TestWhoConnectsAnewGetsWhatItMissed(t *testing.T) {
	for last, want := range map[string]uint64{"2": 3, "": 1, "9000": 1, "x": 1} {
		t.Run(last, func(t *testing.T) {
			var r Recorder
			for range 3 {
				r.Add(transaction(1))
			}
			if n := listen(t, &r, "?bus=line", http.Header{"Last-Event-Id": {last}}).nextNumber(); n != want {
				t.Errorf("the first is %d, want %d", n, want)
			}
		})
	}
}

func TestWhatIsWrongWithARequest(t *testing.T) {
	for query, want := range map[string]int{"": 400, "?bus=other": 404, "?bus=line&unit=256": 400, "?bus=line&units=1": 400} {
		var r Recorder
		if l := listen(t, &r, query, nil); l.status != want {
			t.Errorf("%q: %d, want %d", query, l.status, want)
		}
	}
}

func TestStreamSaysWhatItLost(t *testing.T) {
	var r Recorder
	w, _ := watch(t, &r)
	for range queued + 3 {
		r.Add(transaction(1))
	}
	s := &stream{choice: choice{unit: -1}}
	if e := next(t, w); !s.take(e, true, w) {
		t.Fatal("the stream ended")
	}
	text := string(s.buf)
	if n := strings.Count(text, "event: transaction\n"); n != queued || !strings.HasSuffix(text, "event: lost\ndata: {\"count\":3}\n\n") {
		t.Errorf("%d transactions, and at the end %q", n, text[len(text)-60:])
	}
}

func TestOutcomesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for o := range bus.Outcome(bus.Outcomes) {
		seen[fmt.Sprint(o)] = true
	}
	if len(seen) != bus.Outcomes || seen["unknown"] || seen[""] {
		t.Errorf("names %v", seen)
	}
}
