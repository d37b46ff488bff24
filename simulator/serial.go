package simulator

import (
	"context"
	"fmt"
	"sync"

	"modferry/modbus/transport"
	"modferry/simulator/match"
)

// OpenSerial adds a serial port as a face: the devices are on the line behind it.
// With a baud rate of 0 the port has the first device's, follows it at a power cycle,
// and only devices that have the same are on the line. With any other, the devices'
// own baud rates do not matter.
func (s *Simulator) OpenSerial(o transport.SerialOptions) error {
	return s.add(func() (face, error) {
		f := &serialFace{Simulator: s, o: o, follows: o.Baud == 0, again: make(chan struct{}, 1)}
		return f, f.open(context.Background())
	})
}

type serialFace struct {
	*Simulator
	o       transport.SerialOptions
	follows bool // the first device's baud rate
	port    transport.Port
	again   chan struct{} // the baud rate may have changed
}

func (f *serialFace) open(ctx context.Context) (err error) {
	if f.follows {
		f.o.Baud = f.devices[0].Baud()
	}
	f.port, err = transport.DialSerial(f.o)(ctx)
	return err
}

// serve serves the port, and opens it again when the baud rate changes.
func (f *serialFace) serve(ctx context.Context) error {
	for {
		if err := f.serveOnce(ctx); err != nil {
			return fmt.Errorf("serial port %s: %w", f.o.Path, err)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err := f.open(ctx); err != nil {
			return err
		}
		f.log.Info("serial port opened again", "port", f.o.Path, "baud", f.o.Baud)
	}
}

// serveOnce serves the port until the baud rate changes.
func (f *serialFace) serveOnce(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		f.changed(ctx)
		cancel()
	})
	defer watching.Wait()
	defer cancel()
	baud := 0
	if f.follows {
		baud = f.o.Baud
	}
	return f.serveLine(ctx, FaceSerial, f.port, baud, f.port.Timing().Silence)
}

// changed waits until the port must have another baud rate, or ctx ends.
func (f *serialFace) changed(ctx context.Context) {
	for !f.follows || f.devices[0].Baud() == f.o.Baud {
		select {
		case <-f.again:
		case <-ctx.Done():
			return
		}
	}
}

func (f *serialFace) close() error {
	_ = f.port.Close() // nothing is waiting to be sent, and serving it may have closed it
	return nil
}

func (f *serialFace) kind() match.Kind { return match.Kind{Name: FaceSerial, Framing: f.lineFraming()} }

func (f *serialFace) restarted() {
	select {
	case f.again <- struct{}{}:
	default: // it is told already
	}
}
