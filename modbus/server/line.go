package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"modferry/modbus"
)

// ServeRTU serves a serial line, or anything else that carries RTU frames, until ctx
// ends or the line fails. It closes line. The error is nil if ctx ended it.
func (s *Server) ServeRTU(ctx context.Context, line io.ReadWriteCloser) error {
	return s.lineServer(line, modbus.RTU).run(ctx)
}

// ServeASCII is [Server.ServeRTU] for ASCII frames.
func (s *Server) ServeASCII(ctx context.Context, line io.ReadWriteCloser) error {
	return s.lineServer(line, modbus.ASCII).run(ctx)
}

func (s *Server) lineServer(line io.ReadWriteCloser, framing modbus.Framing) *lineServer {
	l := &lineServer{Server: s, line: line, framing: framing}
	if framing == modbus.ASCII {
		l.finder, l.patience = &asciiFinder{}, orElse(s.o.Patience, DefaultASCIIPatience)
	} else {
		l.finder, l.patience = &rtuFinder{}, orElse(s.o.Patience, DefaultPatience)
	}
	return l
}

func orElse(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// finder finds the requests in what a line says.
type finder interface {
	// append adds bytes, of which it keeps no reference.
	append(b []byte)
	// next returns the next request, valid until append. If there is none yet, wait
	// says for what: after that much silence, next must be called with silent true.
	next(silent bool) (request modbus.ADU, ok bool, wait wait)
}

// wait is what a finder waits for.
type wait uint8

const (
	forever    wait = iota // nothing has begun
	forRest                // a frame has begun
	forSilence             // only silence tells whether the frame is whole
)

// run is the one loop that reads requests and writes replies. Reading has a
// goroutine of its own because no read of a line can be given a deadline everywhere.
func (l *lineServer) run(ctx context.Context) error {
	line := l.line
	stop := context.AfterFunc(ctx, func() { line.Close() })
	chunks, failed := make(chan []byte), make(chan error, 1)
	done := make(chan struct{})
	go func() { failed <- read(line, chunks, done) }()
	err := l.serve(ctx, chunks, failed)
	close(done)
	stop()
	line.Close()
	if err == nil || !errors.Is(err, errRead) {
		<-failed //nolint:errcheck // Close has ended the read: nothing to tell
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

const lineTimeout = 5 * time.Second // for a line to take one reply

var errRead = errors.New("cannot read the line")

// read passes on what the line says. Two buffers take turns: the receiver is done
// with one when it takes the other.
func read(line io.Reader, chunks chan<- []byte, done <-chan struct{}) error {
	var buffers [2][512]byte
	for i := 0; ; i ^= 1 {
		n, err := line.Read(buffers[i][:])
		if n > 0 {
			select {
			case chunks <- buffers[i][:n]:
			case <-done:
				return nil
			}
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errRead, err)
		}
	}
}

type lineServer struct {
	*Server
	line     io.ReadWriteCloser
	framing  modbus.Framing
	client   net.Addr // nil on a serial line
	finder   finder
	patience time.Duration
	heard    []byte // the request, for a Responder
	out      []byte
}

func (l *lineServer) serve(ctx context.Context, chunks <-chan []byte, failed <-chan error) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for silent := false; ; {
		wait, err := l.handleAll(ctx, silent)
		if err != nil {
			return err
		}
		timeout := timer.C
		switch wait {
		case forever:
			timeout = nil
		case forRest:
			timer.Reset(l.patience)
		case forSilence:
			timer.Reset(l.o.Silence)
		}
		silent = false
		select {
		case b := <-chunks:
			l.finder.append(b)
		case <-timeout:
			silent = true
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// handleAll handles every request that is there, and returns what to wait for.
func (l *lineServer) handleAll(ctx context.Context, silent bool) (wait, error) {
	for {
		request, ok, wait := l.finder.next(silent)
		if !ok {
			return wait, nil
		}
		reply, answer, err := l.respond(ctx, l.exchange(request))
		if err != nil && (l.client != nil || !errors.Is(err, ErrClose)) {
			return forever, err
		}
		if !answer || request.Unit == modbus.Broadcast { // [Serial 2.1]
			continue
		}
		if !pause(ctx, l.o.ReplyDelay) {
			return forever, ctx.Err()
		}
		l.out = l.framing.Append(l.out[:0], modbus.ADU{Unit: request.Unit, PDU: reply})
		if err := l.write(); err != nil {
			return forever, err
		}
	}
}

// exchange returns a request for whoever looks at whole frames.
func (l *lineServer) exchange(request modbus.ADU) Exchange {
	x := Exchange{Framing: l.framing, Client: l.client, Request: request, line: l}
	if l.o.Responder != nil {
		l.heard = l.framing.Append(l.heard[:0], request)
		x.Frame = l.heard
	}
	return x
}

// send sends bytes as they are; the delay before a reply is its sender's.
func (l *lineServer) send(b []byte) error {
	l.out = append(l.out[:0], b...)
	return l.write()
}

// write writes all of out; a serial port may take less at a time. What a line does
// not take in time is lost, as it is on a wire that nobody listens to.
func (l *lineServer) write() error {
	if d, ok := l.line.(interface{ SetWriteDeadline(time.Time) error }); ok {
		if err := d.SetWriteDeadline(time.Now().Add(lineTimeout)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
			return err
		}
	}
	err := l.writeAll()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		l.o.Logger.Warn("reply lost: the line does not take it", "bytes", len(l.out))
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot write to the line: %w", err)
	}
	return nil
}

func (l *lineServer) writeAll() error {
	for b := l.out; len(b) > 0; {
		n, err := l.line.Write(b)
		if err != nil {
			return err
		}
		if n <= 0 {
			return io.ErrShortWrite
		}
		b = b[n:]
	}
	return nil
}

// pause waits for d and returns false if ctx ended it.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
