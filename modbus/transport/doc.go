// Package transport is the client's side of a line: it takes one request ADU and
// returns the reply ADU that answers it, over Modbus TCP ([TCP]) or over anything
// that carries bytes, in RTU or ASCII framing ([Stream]: a serial port, or a TCP
// port behind which a serial line hangs).
//
// Nothing is opened before the first request or [TCP.Connect], [Stream.Connect].
// A path that is lost is opened again by the next request; while it stays lost,
// requests fail at once for at most a second between two tries.
//
// A request is never sent a second time once its first byte may have left;
// [Error.Sent] tells whether it may have.
//
// What cannot be promised: RTU and ASCII replies carry no transaction id. A reply
// that comes later than the silence waited for after a timeout, and that fits the
// next request, is taken as its answer. And on a line that echoes, without
// [StreamOptions.Echo], the echo of functions 5, 6, 8 and 22 is exactly what their
// reply would be.
//
// Buffers: a request belongs to the caller and is not kept after the call; a reply
// is newly allocated and belongs to the caller.
//
// Sources: those of package modbus.
package transport

import (
	"context"
	"time"

	"modferry/modbus"
)

// Transporter is what a bus needs of a line. [TCP] and [Stream] are transporters;
// their methods may be called by any number of goroutines.
type Transporter interface {
	// Send is SendContext with the timeout of the options.
	modbus.Transporter

	// SendContext sends a request and returns its reply. The context's deadline is
	// the end of the response timeout, counted from the call; without one the
	// options' timeout holds. Waiting for other callers and for a connection is
	// part of it. What the line itself needs is not: its pauses (the silence after a
	// timeout, the frame gap, the configured delay), and the time that request and
	// reply take at the speed of a serial line. The end moves by that, so that a
	// request after a dead unit's is not lost, nor a long reply. Cancelling ends
	// the call at once. The error is always an [*Error].
	SendContext(ctx context.Context, adu []byte) ([]byte, error)

	// Framing is the framing of the ADUs taken and returned: RTU, ASCII or TCP.
	Framing() modbus.Framing

	// Close ends running calls at once with [Closed] (one that is writing finishes
	// its frame first), closes the path, waits for the transporter's goroutines
	// and may be called again.
	Close() error
}

// defaultTimeout is for options that do not say.
const defaultTimeout = time.Second

// writeAllowance bounds how long a path may refuse to take the bytes of a frame,
// beyond the time they need on the wire. Normally they fit into its buffer at once.
const writeAllowance = time.Second
