package poll

import (
	"context"
	"errors"
	"time"

	"modferry/gateway/bus"
	"modferry/modbus"
	"modferry/modbus/transport"
)

// Run polls until ctx ends. Each interval has a fixed rate from the start on; where
// reads take longer than their interval, ticks are left out, never made up for.
func (p *Poller) Run(ctx context.Context) {
	defer p.begin(ctx)()
	if len(p.schedule.classes) == 0 {
		<-ctx.Done()
		return
	}
	p.client = p.o.Client(ctx)
	if tcp := p.o.Bus.TCP; tcp != nil && tcp.InFlight > 1 && p.o.Together != nil {
		p.early.line, p.early.most = p.o.Together(ctx), tcp.InFlight
	}
	p.start(time.Now())
	timer := time.NewTimer(time.Until(p.schedule.next()))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wanted.some:
			p.readWanted()
		case <-timer.C:
		}
		if !p.poll(ctx) {
			return
		}
		timer.Reset(time.Until(p.schedule.next()))
	}
}

// poll makes the reads that are due until there are none, and reports whether polling
// goes on.
func (p *Poller) poll(ctx context.Context) bool {
	for ctx.Err() == nil {
		p.readSoon()
		if p.schedule.arrive(time.Now()) {
			p.endRound() // of the reads before
		}
		r := p.schedule.take()
		if r == nil {
			break
		}
		p.readAhead(p.schedule.coming())
		if !p.do(r) {
			return false
		}
		p.settle()
		p.keepsUp(p.schedule.made(r, time.Now()))
	}
	p.endRound()
	p.retry()
	return true
}

// readSoon lets what is to be read out of turn go before the next read.
func (p *Poller) readSoon() {
	select {
	case <-p.wanted.some:
		p.readWanted()
	default:
	}
}

// endRound ends the reads that were due together.
func (p *Poller) endRound() {
	if p.asked {
		p.before = p.heard
		p.away = p.away || !p.heard
	}
	p.asked, p.heard = false, false
	p.early.forget()
	p.tellLacks()
	p.finish()
}

// do makes a read, learns from what comes back, and reports whether polling goes on.
func (p *Poller) do(r *Read) bool {
	if p.rests(r) {
		return true
	}
	p.asked = p.asked || !r.alone
	if p.mute && len(r.spans) > 1 { // it is cheaper to ask a silent device for little
		small := p.schedule.read(r.spans[:1])
		if _, err := p.ask(&small); !isHeard(err) {
			return p.gaveUp(r, err)
		}
	}
	data, err := p.read(r)
	switch {
	case isEnd(err):
		return false
	case err == nil:
		p.worked(r)
	case isRefusal(err) && len(r.spans) > 1:
		return p.split(*r, err)
	case isRefusal(err):
		p.refused(r, err)
	case exceptionOf(err) == modbus.IllegalFunction:
		p.unable(r, err)
	case isCut(err) && !p.isTooLong(r): // a longer timeout helps, and no other read
	case isSilence(err) && len(r.spans) > 1:
		return p.unanswered(r, err)
	case isSilence(err) && (p.heard || p.before): // others are answered
		p.unheard(r, err)
	}
	p.took(r, data, err)
	return true
}

// read makes one read, a second time if the device did not answer the first, unless
// that was to be expected.
func (p *Poller) read(r *Read) ([]byte, error) {
	data, err := p.ask(r)
	if !isTimeout(err) || r.alone {
		return data, err
	}
	again, failed := p.ask(r)
	if errors.Is(failed, bus.ErrResting) { // because of the timeout, which says more
		return nil, err
	}
	return again, failed
}

// ask makes one request.
func (p *Poller) ask(r *Read) ([]byte, error) {
	data, err := p.early.take(r), error(nil)
	if data == nil {
		data, err = r.fetch(p.client)
	}
	if isHeard(err) {
		p.heard, p.mute = true, false
		if p.away {
			p.away = false
			p.forgive()
		}
	}
	return data, err
}

// tooLate is how often in a row an interval may be too short before that is worth a warning.
const tooLate = 3

// keepsUp warns once of intervals that are too short for the line.
func (p *Poller) keepsUp(late time.Duration) {
	switch {
	case late <= 0:
		p.late = 0
	case !p.heard: // the time went by waiting for a device that does not answer
	default:
		if p.late++; p.late == tooLate && !p.warned {
			p.warned = true
			p.o.Log.Warn("the device is read less often than configured: its reads take longer than their interval; see modferry check --plan, and choose a longer every", "late", late)
		}
	}
}

// isEnd reports whether the gateway is stopping, which says nothing about the device.
func isEnd(err error) bool { return errors.Is(err, bus.ErrClosed) || errors.Is(err, bus.ErrGone) }

func isTimeout(err error) bool {
	var failed *transport.Error
	return errors.As(err, &failed) && failed.Kind == transport.Timeout
}

// isSilence reports whether a request reached the line and no good reply came.
func isSilence(err error) bool {
	var failed *transport.Error
	return errors.As(err, &failed) && failed.Kind == transport.Timeout && failed.Sent || exceptionOf(err) == modbus.GatewayTargetNoResponse
}

// isCut reports whether the reply was still coming when the timeout passed.
func isCut(err error) bool {
	var failed *transport.Error
	return errors.As(err, &failed) && failed.Cut
}

// isRefusal reports whether the device says that it has not all of what was asked for,
// or that it was too much.
func isRefusal(err error) bool {
	code := exceptionOf(err)
	return code == modbus.IllegalDataAddress || code == modbus.IllegalDataValue
}

// isHeard reports whether the device itself said something.
func isHeard(err error) bool {
	code := exceptionOf(err)
	return err == nil || code != 0 && code != modbus.GatewayTargetNoResponse && code != modbus.GatewayPathUnavailable
}

// exceptionOf returns the exception code of an error, 0 if it is none.
func exceptionOf(err error) byte {
	var exception *modbus.Exception
	if errors.As(err, &exception) {
		return exception.ExceptionCode
	}
	return 0
}
