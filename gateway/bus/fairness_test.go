package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"modferry/modbus"
	"modferry/modbus/transport"
)

// order pops everything and returns "client/unit" of each, in order.
func order(t *testing.T, q *queue) string {
	t.Helper()
	var all []string
	for q.len() > 0 {
		r := q.pop(t.Context())
		all = append(all, fmt.Sprintf("%s%d", r.Client, r.Unit))
	}
	return strings.Join(all, " ")
}

func push(t *testing.T, q *queue, client string, unit byte, pdu modbus.PDU) *Request {
	t.Helper()
	r := &Request{Client: client, Unit: unit, PDU: pdu}
	if _, err := q.push(r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTurnsBetweenClientsAndUnits(t *testing.T) {
	q := newQueue(100)
	for range 3 {
		push(t, q, "a", 1, read(1))
	}
	push(t, q, "a", 2, read(1))
	push(t, q, "b", 7, read(1))
	push(t, q, "b", 7, read(1))
	push(t, q, "c", 9, read(1))
	if got, want := order(t, q), "a1 b7 c9 a2 b7 a1 a1"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
}

func TestFullQueueTakesFromTheGreediest(t *testing.T) {
	q := newQueue(4)
	for range 3 {
		push(t, q, "greedy", 1, read(1))
	}
	push(t, q, "greedy", 2, modbus.WriteRegisterRequest(1, 1))
	victim, err := q.push(&Request{Client: "polite", Unit: 3, PDU: read(1)})
	if err != nil || victim == nil || victim.Client != "greedy" || kindOf(victim) != reads {
		t.Fatalf("victim %+v, %v; want a read of the greedy client", victim, err)
	}
	if _, err := q.push(&Request{Client: "greedy", Unit: 1, PDU: read(1)}); !errors.Is(err, ErrFull) {
		t.Errorf("the greedy client finds a place: %v", err)
	}
	if got, want := order(t, q), "greedy2 greedy1 polite3 greedy1"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
}

func TestCancelledIsNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{took: 100 * time.Millisecond, answer: registers}
		b := run(t, Options{Line: d})
		replies := make(chan Reply, 3)
		var requests []*Request
		for i := range uint16(3) {
			r := &Request{Unit: 1, PDU: read(i), Done: func(r Reply) { replies <- r }}
			requests = append(requests, r)
			if err := b.Submit(r); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		b.Cancel(requests[1]) // still queued
		b.Cancel(requests[0]) // on the line already
		if r := <-replies; !errors.Is(r.Err, ErrGone) || r.Sent {
			t.Errorf("the queued one: %+v", r)
		}
		for range 2 {
			if r := <-replies; r.Err != nil {
				t.Errorf("the others: %+v", r)
			}
		}
		if len(d.seen) != 2 {
			t.Errorf("%d frames on the line, want 2", len(d.seen))
		}
	})
}

// Ten clients flood a line whose polls want it all the time, too. Virtual time makes
// it exact: polls keep a fifth of the line, every client gets its share, and an
// urgent write waits for no more than the one transaction in flight.
func TestFloodLeavesRoom(t *testing.T) {
	for name, flood := range map[string]modbus.PDU{"reads": read(1), "writes": modbus.WriteRegisterRequest(1, 1)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const took = 10 * time.Millisecond
				d := &device{took: took, answer: registers}
				b := run(t, Options{Line: d, Queue: 64})
				ctx, stop := context.WithTimeout(t.Context(), 100*time.Second)
				defer stop()
				var mu sync.Mutex
				served := map[string]int{}
				var flooding sync.WaitGroup
				for i := range 10 {
					client := fmt.Sprintf("client%d", i)
					flooding.Go(func() { keepBusy(ctx, b, client, 8, flood, &mu, served) })
				}
				flooding.Go(func() {
					poller := b.Client(ctx, 1, 0)
					for ctx.Err() == nil {
						if _, err := poller.ReadInputRegisters(1, 1); err == nil {
							mu.Lock()
							served["poll"]++
							mu.Unlock()
						}
					}
				})
				if name == "reads" {
					for range 50 {
						time.Sleep(1777 * time.Millisecond)
						if waited := urgentWrite(t, b); waited > 2*took {
							t.Errorf("an urgent write took %v, more than one transaction in flight and its own", waited)
						}
					}
				}
				flooding.Wait()
				total := 0
				for _, n := range served {
					total += n
				}
				if share := float64(served["poll"]) / float64(total); share < 0.2 {
					t.Errorf("polls had %.1f %% of %d transactions, want at least 20 %%", 100*share, total)
				}
				for i := range 10 {
					if n := served[fmt.Sprintf("client%d", i)]; float64(n) < 0.07*float64(total) {
						t.Errorf("client %d had %d of %d transactions", i, n, total)
					}
				}
			})
		})
	}
}

// keepBusy keeps n requests of a client in the queue until ctx ends.
func keepBusy(ctx context.Context, b *Bus, client string, n int, pdu modbus.PDU, mu *sync.Mutex, served map[string]int) {
	places := make(chan struct{}, n)
	for ctx.Err() == nil {
		places <- struct{}{}
		err := b.Submit(&Request{Client: client, Unit: 2, PDU: pdu, Done: func(r Reply) {
			if r.Err == nil {
				mu.Lock()
				served[client]++
				mu.Unlock()
			}
			<-places
		}})
		if err != nil {
			<-places
			time.Sleep(time.Millisecond) // as an app would after a busy
		}
	}
	for range n {
		places <- struct{}{}
	}
}

func urgentWrite(t *testing.T, b *Bus) time.Duration {
	t.Helper()
	start, done := time.Now(), make(chan Reply, 1)
	r := &Request{Client: "panel", Unit: 3, PDU: modbus.WriteRegisterRequest(7, 7), Done: func(r Reply) { done <- r }}
	if err := b.Submit(r); err != nil {
		t.Fatalf("an urgent write finds no place: %v", err)
	}
	if reply := <-done; reply.Err != nil {
		t.Fatalf("an urgent write: %v", reply.Err)
	}
	return time.Since(start)
}

// Row 14 of the known failures: one of ten units is dead, the others keep at least
// 95 % of their rate.
func TestRow14DeadUnitDoesNotStarveTheOthers(t *testing.T) {
	rate := func(dead byte) (others int, probes []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			d := &device{took: 15 * time.Millisecond}
			d.answer = func(a modbus.ADU) (modbus.PDU, error) {
				if a.Unit == dead {
					probes = append(probes, time.Since(start))
					time.Sleep(285 * time.Millisecond)
					return modbus.PDU{}, &transport.Error{Kind: transport.Timeout, Sent: true, Err: errors.New("silence")}
				}
				return registers(a)
			}
			b := run(t, Options{Line: d})
			ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
			defer stop()
			var polling sync.WaitGroup
			var mu sync.Mutex
			for unit := byte(1); unit <= 10; unit++ {
				polling.Go(func() {
					client := b.Client(ctx, unit, 0)
					for ctx.Err() == nil {
						_, err := client.ReadInputRegisters(1, 1)
						if err == nil && unit != 10 {
							mu.Lock()
							others++
							mu.Unlock()
						}
						if err != nil {
							time.Sleep(100 * time.Millisecond)
						}
					}
				})
			}
			polling.Wait()
		})
		return others, probes
	}
	healthy, _ := rate(0)
	// With the dead unit gone altogether the nine would share its tenth of the line, too.
	withDead, probes := rate(10)
	if float64(withDead) < 0.95*float64(healthy) {
		t.Errorf("the others made %d transactions with a dead unit, %d without", withDead, healthy)
	}
	var gaps []int
	for i := range len(probes) - 1 {
		gaps = append(gaps, int((probes[i+1] - probes[i]).Seconds()))
	}
	if want := []int{0, 0, 1, 2, 4, 8, 16, 32, 60, 60}; !slices.Equal(gaps[:min(10, len(gaps))], want) {
		t.Errorf("seconds between the tries of a dead unit: %v, want %v", gaps, want)
	}
}

func TestPeopleAlwaysGetOneTryAndSuccessEndsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := true
		d := &device{took: time.Millisecond, answer: func(a modbus.ADU) (modbus.PDU, error) {
			if dead {
				return modbus.ExceptionPDU(a.PDU.FunctionCode, modbus.GatewayTargetNoResponse), nil // as a TCP gateway says it
			}
			return registers(a)
		}}
		notified := 0
		b := run(t, Options{Line: d, Notify: func() { notified++ }})
		poller := b.Client(t.Context(), 5, 0)
		for range 10 {
			_, _ = poller.ReadInputRegisters(1, 1) // fails until the device lives
		}
		if len(d.seen) != 3 {
			t.Errorf("%d polls reached a dead unit, want 3", len(d.seen))
		}
		if s := b.Status(); s.Resting[5].Timeouts != 3 {
			t.Errorf("status %+v", s)
		}
		dead = false
		done := make(chan Reply, 1)
		if err := b.Submit(&Request{Unit: 5, PDU: read(1), Done: func(r Reply) { done <- r }}); err != nil {
			t.Fatal(err)
		}
		if r := <-done; r.Err != nil {
			t.Errorf("a person's request to a resting unit: %v", r.Err)
		}
		if _, err := poller.ReadInputRegisters(1, 1); err != nil {
			t.Errorf("a poll after the unit answered: %v", err)
		}
		if s := b.Status(); len(s.Resting) != 0 || notified != 3 { // open, resting, answering
			t.Errorf("status %+v after %d notices", s, notified)
		}
	})
}

// A unit that people ask, by mistake or while they search, is none that polls leave alone.
func TestOnlyAUnitThatIsPolledRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := run(t, Options{Line: &device{took: time.Millisecond, answer: func(modbus.ADU) (modbus.PDU, error) {
			return modbus.PDU{}, &transport.Error{Kind: transport.Timeout, Sent: true, Err: errors.New("silence")}
		}}})
		done := make(chan Reply, 1)
		for range 5 {
			if err := b.Submit(&Request{Unit: 9, PDU: read(1), Done: func(r Reply) { done <- r }}); err != nil {
				t.Fatal(err)
			}
			<-done
		}
		if s := b.Status(); len(s.Resting) != 0 {
			t.Errorf("resting after requests of people only: %+v", s.Resting)
		}
		poller := b.Client(t.Context(), 5, 0)
		for range 5 {
			_, _ = poller.ReadInputRegisters(1, 1) // nobody answers
		}
		if s := b.Status(); len(s.Resting) != 1 || s.Resting[5].Timeouts != 3 {
			t.Errorf("resting after polls: %+v", s.Resting)
		}
		time.Sleep(50 * time.Minute)
		if s := b.Status(); len(s.Resting) != 1 {
			t.Errorf("polls that are an hour apart: %+v", s.Resting)
		}
		time.Sleep(restKept)
		if s := b.Status(); len(s.Resting) != 0 {
			t.Errorf("resting long after the last poll: %+v", s.Resting)
		}
	})
}

// Row 15 of the known failures: whatever one unit does wrong, the others see no error.
func TestRow15ErrorsStayWithTheirUnit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrongs := []func(modbus.ADU) (modbus.PDU, error){
			func(a modbus.ADU) (modbus.PDU, error) {
				return modbus.ExceptionPDU(a.PDU.FunctionCode, modbus.ServerDeviceFailure), nil
			},
			func(modbus.ADU) (modbus.PDU, error) {
				return modbus.PDU{FunctionCode: 4, Data: []byte{200}}, nil
			},
			func(modbus.ADU) (modbus.PDU, error) {
				return modbus.PDU{}, &transport.Error{Kind: transport.Timeout, Sent: true, Err: errors.New("silence")}
			},
		}
		n := 0
		d := &device{took: time.Millisecond, answer: func(a modbus.ADU) (modbus.PDU, error) {
			if a.Unit == 5 {
				n++
				return wrongs[n%len(wrongs)](a)
			}
			return registers(a)
		}}
		b := run(t, Options{Line: d})
		var polling sync.WaitGroup
		for unit := byte(1); unit <= 10; unit++ {
			polling.Go(func() {
				client := b.Client(t.Context(), unit, 0)
				for i := range uint16(200) {
					got, err := client.ReadInputRegisters(i, 1)
					switch {
					case unit == 5 && err == nil:
						t.Errorf("the faulty unit gave % X", got)
					case unit != 5 && err != nil:
						t.Errorf("unit %d: %v", unit, err)
					case unit != 5 && modbus.Registers(got)[0] != i:
						t.Errorf("unit %d: register %d is %X", unit, i, got)
					}
				}
			})
		}
		polling.Wait()
	})
}

func TestMorePollsThanPlacesForPeople(t *testing.T) {
	q := newQueue(4)
	for unit := range byte(200) {
		if _, err := q.push(&Request{Unit: unit, PDU: read(1), Poll: true}); err != nil {
			t.Fatalf("poll %d, one of each device: %v", unit, err)
		}
	}
	if _, err := q.push(&Request{Client: "panel", Unit: 1, PDU: read(1)}); err != nil {
		t.Errorf("a person's request beside them: %v", err)
	}
	if n := q.len(); n != 201 {
		t.Errorf("%d requests wait", n)
	}
}
