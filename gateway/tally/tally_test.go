package tally

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"modferry/gateway/bus"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func one(unit byte, outcome bus.Outcome) bus.Transaction {
	return bus.Transaction{Unit: unit, Outcome: outcome, Start: noon, Elapsed: 4 * time.Millisecond}
}

func TestPollsAndRequestsAreCountedByWhatBecameOfThem(t *testing.T) {
	var b Bus
	for outcome := range bus.Outcome(bus.Outcomes) {
		for range int(outcome) + 1 {
			b.Add(one(7, outcome))
		}
	}
	poll := one(7, bus.Good)
	poll.Poll = true
	b.Add(poll)
	b.Add(one(200, bus.NoPath))
	s := b.Snapshot(noon)
	if len(s.Units) != 2 || s.Units[0].Unit != 7 || s.Units[1].Unit != 200 {
		t.Fatalf("units %+v", s.Units)
	}
	u := s.Units[0]
	if want := (Counts{1, 2, 3, 4, 5, 6}); u.Requests != want {
		t.Errorf("requests %v, want %v", u.Requests, want)
	}
	if want := (Counts{1}); u.Polls != want {
		t.Errorf("polls %v, want %v", u.Polls, want)
	}
	if total := u.Requests.Add(u.Polls).Total(); total != 22 {
		t.Errorf("%d transactions, want 22", total)
	}
}

func TestExceptionsAreCountedByTheirCode(t *testing.T) {
	var b Bus
	for _, code := range []byte{2, 2, 11, 99} {
		x := one(1, bus.Exception)
		x.Exception = code
		b.Add(x)
	}
	got := b.Snapshot(noon).Units[0].Exceptions
	if len(got) != 3 || got[2] != 2 || got[11] != 1 || got[0] != 1 {
		t.Errorf("exceptions %v", got)
	}
}

func TestLastReplyAndLastFailure(t *testing.T) {
	var b Bus
	b.Add(one(1, bus.Good))
	if u := b.Snapshot(noon).Units[0]; !u.Answered.Equal(noon.Add(4*time.Millisecond)) || !u.Failed.IsZero() {
		t.Errorf("answered %v, failed %v", u.Answered, u.Failed)
	}
	late := one(1, bus.Timeout)
	late.Start = noon.Add(time.Minute)
	b.Add(late)
	if u := b.Snapshot(noon).Units[0]; u.Failure != bus.Timeout || !u.Failed.Equal(late.Start.Add(late.Elapsed)) {
		t.Errorf("failed %v with %v", u.Failed, u.Failure)
	}
}

func TestLatelyForgets(t *testing.T) {
	var b Bus
	for i := range 100 { // ten in each second
		x := one(byte(1+i%2), bus.Good)
		x.Start = noon.Add(time.Duration(i) * time.Second / 10)
		x.Elapsed = 50 * time.Millisecond
		b.Add(x)
	}
	for after, want := range map[time.Duration]uint64{10 * time.Second: 100, 15 * time.Second: 50, 20 * time.Second: 0, time.Hour: 0} {
		if got := b.Snapshot(noon.Add(after)).Lately; got.Transactions != want || got.Busy != time.Duration(want)*50*time.Millisecond {
			t.Errorf("after %v: %+v, want %d transactions", after, got, want)
		}
	}
	l := b.Snapshot(noon.Add(10 * time.Second)).Lately
	if l.Rate() != 10 || l.Utilisation(1) != 0.5 || l.Utilisation(2) != 0.25 {
		t.Errorf("rate %v, utilisation %v and %v", l.Rate(), l.Utilisation(1), l.Utilisation(2))
	}
}

func TestQuantilesAreBoundsOfTheirClass(t *testing.T) {
	var b Bus
	for took, n := range map[time.Duration]int{300 * time.Microsecond: 50, 15 * time.Millisecond: 45, 20 * time.Second: 5} {
		for range n {
			x := one(1, bus.Good)
			x.Elapsed = took
			b.Add(x)
		}
	}
	b.Add(one(1, bus.Timeout)) // says nothing of how long a reply takes
	h := b.Snapshot(noon).Units[0].Latency
	for q, want := range map[float64]time.Duration{0.5: time.Millisecond, 0.95: 20 * time.Millisecond, 0.99: 5 * time.Second} {
		if got := h.Quantile(q); got != want {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	if got := (Histogram{}).Quantile(0.5); h.Count() != 100 || got != 0 {
		t.Errorf("%d replies; of none %v", h.Count(), got)
	}
}

func TestJSON(t *testing.T) {
	var b Bus
	x := one(3, bus.Exception)
	x.Exception, x.Poll = 2, true
	b.Add(x)
	got, err := json.Marshal(b.Snapshot(noon.Add(time.Second)).Units[0])
	want := `{"unit":3,"rate":0.1,"utilisation":0,` +
		`"polls":{"total":1,"good":0,"exception":1,"timeout":0,"broken":0,"unsent":0,"unavailable":0},` +
		`"requests":{"total":0,"good":0,"exception":0,"timeout":0,"broken":0,"unsent":0,"unavailable":0},` +
		`"exceptions":{"2":1},"latency_ms":{"count":1,"mean":4,"p50":5,"p95":5},"answered":"2026-11-24T12:00:00.004Z"}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s, want\n%s", err, got, want)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	var b Bus
	b.Add(one(1, bus.Good))
	if n := testing.AllocsPerRun(1000, func() { b.Add(one(1, bus.Good)) }); n != 0 {
		t.Errorf("%v allocations for a transaction", n)
	}
}

func TestNothingIsLostWhenManyCountAtOnce(t *testing.T) {
	var b Bus
	var adding sync.WaitGroup
	for range 8 {
		adding.Go(func() {
			for i := range 1000 {
				b.Add(one(byte(i%16), bus.Good))
			}
		})
	}
	adding.Wait()
	var total uint64
	for _, u := range b.Snapshot(noon).Units {
		total += u.Requests.Total()
	}
	if total != 8000 {
		t.Errorf("%d transactions, want 8000", total)
	}
}

func BenchmarkAdd(b *testing.B) {
	var counted Bus
	x := one(1, bus.Good)
	b.ReportAllocs()
	for b.Loop() {
		counted.Add(x)
	}
}
