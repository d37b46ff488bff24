package backlog

import "slices"

// queue is the records that wait in memory. It is not safe for use by many
// goroutines at once.
type queue struct {
	items []*item // oldest first
	cost  int64
}

func (q *queue) push(i *item) {
	q.items = append(q.items, i)
	q.cost += i.cost()
}

// trim drops the oldest until the rest costs no more than most, but none that is
// being delivered, and returns how many.
func (q *queue) trim(most int64) (dropped uint64) {
	for at := 0; q.cost > most && at < len(q.items); {
		if q.items[at].taken {
			at++
			continue
		}
		q.cost -= q.items[at].cost()
		q.items = slices.Delete(q.items, at, at+1)
		dropped++
	}
	return dropped
}

// take removes the first items, which together cost no more than most, but at least one.
func (q *queue) take(most int64) []*item {
	n := 0
	for ; n < len(q.items); n++ {
		if most -= q.items[n].cost(); most < 0 && n > 0 {
			break
		}
	}
	taken := slices.Clone(q.items[:n])
	for _, i := range taken {
		q.cost -= i.cost()
	}
	q.items = slices.Delete(q.items, 0, n)
	return taken
}

// putBack undoes take.
func (q *queue) putBack(items []*item) {
	for _, i := range items {
		q.cost += i.cost()
	}
	q.items = slices.Insert(q.items, 0, items...)
}

// first returns the first items, at most so many with so many bytes, but at least
// one, and marks them as being delivered.
func (q *queue) first(most, bytes int) []*item {
	n := 0
	for ; n < min(most, len(q.items)); n++ {
		if bytes -= len(q.items[n].record) + 1; bytes < 0 && n > 0 {
			break
		}
	}
	for _, i := range q.items[:n] {
		i.taken = true
	}
	return slices.Clone(q.items[:n])
}

// remove removes those that were delivered.
func (q *queue) remove(delivered []*item) {
	gone := make(map[*item]bool, len(delivered))
	for _, i := range delivered {
		gone[i] = true
	}
	q.items = slices.DeleteFunc(q.items, func(i *item) bool {
		if gone[i] {
			q.cost -= i.cost()
		}
		return gone[i]
	})
}
