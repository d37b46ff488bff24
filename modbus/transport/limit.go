package transport

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// limit is how long one call may take: until the end of its response timeout,
// until its context is cancelled, or until its transporter is closed.
type limit struct {
	ctx     context.Context
	life    context.Context // of the transporter
	timeout time.Duration   // from the call
	end     time.Time
	own     bool // the end is not the context's deadline: there was none, or pauses of the line moved it
}

func newLimit(ctx, life context.Context, timeout time.Duration) limit {
	now := time.Now()
	if end, ok := ctx.Deadline(); ok {
		return limit{ctx: ctx, life: life, timeout: end.Sub(now), end: end}
	}
	return limit{ctx: ctx, life: life, timeout: timeout, end: now.Add(timeout), own: true}
}

// move puts the end off by the length of a pause that the line needed.
func (l *limit) move(pause time.Duration) {
	if pause > 0 {
		l.end, l.own = l.end.Add(pause), true
	}
}

// cancelled returns what is closed when the call has to end before its end.
func (l *limit) cancelled() <-chan struct{} {
	if l.passed() {
		return nil
	}
	return l.ctx.Done()
}

// passed reports whether the context ended by its deadline, which is not the end any more.
func (l *limit) passed() bool {
	return l.own && errors.Is(l.ctx.Err(), context.DeadlineExceeded)
}

// ended returns why a call may not send any more, nil if it may.
func (l *limit) ended() error {
	if l.life.Err() != nil {
		return &Error{Kind: Closed, Err: errClosed}
	}
	switch err := l.ctx.Err(); {
	case err == nil || l.passed():
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: Timeout, Err: errBusy}
	default:
		return &Error{Kind: Timeout, Err: fmt.Errorf("the caller did not wait for the reply: %w", err)}
	}
}

// pause waits until then and moves the end by it. The error says that the call ended instead.
func (l *limit) pause(then time.Time, clock *time.Timer) error {
	start := time.Now()
	clock.Reset(then.Sub(start))
	defer clock.Stop()
	l.own = true
	for {
		select {
		case <-clock.C:
			l.move(time.Since(start))
			return nil
		case <-l.cancelled():
			if !l.passed() {
				return l.ended()
			}
		case <-l.life.Done():
			return l.ended()
		}
	}
}

// acquire takes a token from a channel that holds them, after those who came before.
func acquire[T any](l *limit, tokens chan T) (token T, err error) {
	select {
	case token = <-tokens:
	default:
		patience := time.NewTimer(time.Until(l.end))
		defer patience.Stop()
		select {
		case token = <-tokens:
		case <-patience.C:
			return token, &Error{Kind: Timeout, Err: errBusy}
		case <-l.cancelled():
			return token, l.ended()
		case <-l.life.Done():
			return token, l.ended()
		}
	}
	if err = l.ended(); err != nil {
		tokens <- token
	}
	return token, err
}

// dialContext returns a context that ends with the call.
func (l *limit) dialContext() (context.Context, context.CancelFunc) {
	ctx := l.ctx
	if l.passed() {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithDeadline(ctx, l.end)
	stop := context.AfterFunc(l.life, cancel)
	return ctx, func() { stop(); cancel() }
}

// notOpened returns the error of a call that could not open its path. It counts
// the failure in b, unless the call was ended from outside.
func (l *limit) notOpened(err error, b *backoff) error {
	if l.life.Err() != nil || errors.Is(l.ctx.Err(), context.Canceled) {
		return l.ended()
	}
	b.failed(time.Now(), err)
	return &Error{Kind: Unavailable, Err: err}
}
