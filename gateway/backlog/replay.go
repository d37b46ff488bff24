package backlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"modferry/gateway/message"
)

// batch is records that travel together.
type batch struct {
	items     []*item
	delivered bool // but not deleted yet
}

func (b *batch) payload() []byte {
	records := make([][]byte, len(b.items))
	for n, i := range b.items {
		records[n] = i.record
	}
	return message.History(records)
}

// Replay delivers what is kept and what still comes, the oldest first, until ctx
// ends or deliver fails, and returns that error. deliver gets a payload of
// P/history and returns nil when the broker has acknowledged it: that batch is then
// deleted, and when that is safe on disk, or has failed, the next one is begun. A batch whose
// delivery failed is the first of the next call, with the same payload. One call at
// a time.
func (b *Backlog) Replay(ctx context.Context, deliver func(ctx context.Context, payload []byte) error) error {
	if !b.replaying.TryLock() {
		return errors.New("cannot replay the backlog: it is being replayed")
	}
	defer b.replaying.Unlock()
	for {
		if b.batch == nil {
			next, err := b.next(ctx)
			if err != nil {
				return err
			}
			b.batch = next
		}
		if err := b.deliver(ctx, deliver); err != nil {
			return err
		}
		if err := b.settle(ctx); err != nil {
			return err
		}
		b.batch = nil
	}
}

// next waits for the oldest batch.
func (b *Backlog) next(ctx context.Context) (*batch, error) {
	for {
		var found []*item
		if err := b.do(ctx, func() { found = b.oldest() }); err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return &batch{items: found}, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-b.owner.Done():
			return nil, errClosed
		case <-b.arrived:
		case <-time.After(b.retry): // the disk may work again
		}
	}
}

// deliver waits for the rate, and delivers the batch unless that was done.
func (b *Backlog) deliver(ctx context.Context, deliver func(context.Context, []byte) error) error {
	if b.batch.delivered {
		return nil
	}
	for left := len(b.batch.items); left > 0; {
		limiter := b.limit()
		n := min(left, limiter.Burst())
		if err := limiter.WaitN(ctx, n); err != nil {
			return fmt.Errorf("cannot replay the backlog: %w", err)
		}
		left -= n
	}
	if err := deliver(ctx, b.batch.payload()); err != nil {
		return err
	}
	b.batch.delivered = true
	b.mu.Lock()
	b.kept.Replayed += uint64(len(b.batch.items))
	b.mu.Unlock()
	return nil
}

func (b *Backlog) limit() *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.limiter
}

// settle deletes the batch, once even if ctx has ended: it is delivered.
func (b *Backlog) settle(ctx context.Context) error {
	delivered := b.batch
	return b.doNow(ctx, func() { b.delete(delivered) })
}

// do has something done by the writer. After an error it may be done nevertheless.
func (b *Backlog) do(ctx context.Context, what func()) error {
	done := make(chan struct{})
	select {
	case b.requests <- func() { what(); close(done) }:
	case <-ctx.Done():
		return ctx.Err()
	case <-b.owner.Done():
		return errClosed
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done(): // the disk may hang
		return ctx.Err()
	}
}

// doNow is do for what must not be left undone because ctx has ended.
func (b *Backlog) doNow(ctx context.Context, what func()) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	return b.do(ctx, what)
}

// oldest returns the records of the next batch. Those in the file are older than
// those that wait. It runs in the writer.
func (b *Backlog) oldest() []*item {
	const bytes = message.MaxHistoryBytes - len("[]")
	most := b.limit().Burst()
	items, err := b.oldestInFile(most, bytes)
	if len(items) > 0 {
		w := &b.writer
		w.protected, w.held = items[len(items)-1].key, int64(len(items)+len(w.owed))
		w.reached = w.protected + 1
		return items
	}
	if err != nil && time.Since(b.writer.failing) < b.patience {
		return nil // there may be older ones
	}
	b.writer.reached = 0 // a batch from memory says nothing of the file
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting.first(most, bytes)
}

// oldestInFile returns an error if there may be records in the file.
func (b *Backlog) oldestInFile(most, bytes int) (items []*item, err error) {
	w := &b.writer
	for range attempts {
		if err = b.attach(false); err != nil && w.absent {
			return nil, nil
		}
		if err != nil || w.file == nil || w.file.Contents().Count == 0 {
			return nil, err
		}
		var bad []uint64
		if items, bad, err = oldestRecords(w, most, bytes); err != nil {
			b.reopen(err)
			b.note(w.cause)
			continue
		}
		if len(bad) > 0 && b.write(change{remove: bad}) == nil {
			b.mu.Lock()
			b.kept.Dropped.Disk += uint64(len(bad))
			b.mu.Unlock()
		}
		if len(items) > 0 {
			return items, nil
		}
	}
	return nil, err
}

// delete deletes a batch that was delivered, and writes what waits along with it. What
// the disk does not let it delete is not delivered again, and is deleted later. It
// runs in the writer.
func (b *Backlog) delete(d *batch) {
	w := &b.writer
	before := len(w.owed)
	b.mu.Lock()
	b.waiting.remove(d.items)
	for _, i := range d.items {
		if i.key != 0 { // it is in the file
			w.owed[i.key] = i.cost()
		}
	}
	inFile := len(w.owed) > before
	b.mu.Unlock()
	w.begins = max(w.begins, w.reached)
	b.pay()
	w.protected, w.held = 0, int64(len(w.owed))
	b.mu.Lock()
	empty := len(b.waiting.items) == 0
	b.mu.Unlock()
	if empty && inFile && w.file != nil && w.file.Contents().Count == 0 {
		b.shrink()
		b.note(w.cause)
	}
}

// pay deletes from the file what was delivered. If there is none any more it is gone
// anyway. The last attempt adds nothing: a full disk may still have room for that.
func (b *Backlog) pay() {
	w := &b.writer
	if len(w.owed) == 0 {
		return
	}
	var err error
	for n := range attempts {
		if b.attach(false) != nil {
			return // it is noted
		}
		if w.file == nil {
			b.forgive()
			return
		}
		if w.cause != nil && time.Since(w.failed) < b.retry {
			b.discard()
			return
		}
		c := change{}
		if n < attempts-1 {
			c.add = b.take()
		}
		if err = b.write(c); err == nil {
			return
		}
	}
	if !b.discard() {
		_ = b.pause(err) // it is noted
	}
}

// forgive notes that nothing is left to be deleted.
func (b *Backlog) forgive() {
	w := &b.writer
	b.mu.Lock()
	clear(w.owed)
	b.mu.Unlock()
	w.begins, w.reached = 0, 0
}

// discard removes the file, for which no disk is too full, if all that it has is
// delivered.
func (b *Backlog) discard() bool {
	w := &b.writer
	if w.file == nil {
		return false
	}
	// Not by their number: a transaction that failed may have deleted some nevertheless.
	if items, bad, err := oldestRecords(w, 1, 1); err != nil || len(items)+len(bad) > 0 {
		return false
	}
	w.held = int64(len(w.owed))
	w.forget()
	if err := w.place.Remove(); err != nil {
		b.reopen(err)
		return false
	}
	w.absent = true
	b.forgive()
	b.note(w.cause)
	return true
}
