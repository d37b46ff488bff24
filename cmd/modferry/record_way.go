package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"modferry/gateway/message"
	"modferry/modbus"
	"modferry/simulator/recording"
)

// way is an open way to a device, for one request after the other.
type way struct {
	recording.Asker
	name  string // for people
	close func()
}

// way opens the way that the flags name; only a broker is connected to at once.
func (f sendFlags) way(ctx context.Context) (*way, error) {
	if err := f.checkWay(); err != nil {
		return nil, err
	}
	if f.broker != "" {
		return f.gatewayWay(ctx)
	}
	line, err := f.line()
	if err != nil {
		return nil, err
	}
	return &way{recording.Line{Transporter: line, Timeout: f.timeout}, f.tcp + f.udp + f.tls + f.serial, func() { _ = line.Close() }}, nil
}

func (f sendFlags) gatewayWay(ctx context.Context) (*way, error) {
	c, err := f.converse()
	if err != nil {
		return nil, err
	}
	visit, leave := context.WithCancel(context.WithoutCancel(ctx))
	left := make(chan struct{})
	go func() { defer close(left); c.session.Run(visit) }()
	return &way{&gatewayAsker{c: c}, fmt.Sprintf("bus %s of gateway %s", f.bus, c.name()), func() { leave(); <-left }}, nil
}

// gatewayAsker asks a device through a gateway: as JSON, because only that has an id,
// or as a bus that takes no JSON wants it.
type gatewayAsker struct {
	c    *conversation
	form form // the first that is not refused
}

// form is how a request is written.
type form int

const (
	asJSON form = iota
	asHex
	asFrame
)

// Ask sends a request and waits for its reply.
func (a *gatewayAsker) Ask(ctx context.Context, unit byte, q modbus.PDU) (modbus.PDU, error) {
	ctx, cancel := context.WithTimeout(ctx, a.c.flags.timeout)
	defer cancel()
	a.drain()
	frame := modbus.AppendRTU(nil, modbus.ADU{Unit: unit, PDU: q})
	var reply []byte
	var err error
	for ; ; a.form++ {
		reply, err = a.say(ctx, frame)
		var none *noReply
		if !errors.As(err, &none) || none.code != string(message.NotAFrame) || a.form == asFrame {
			break
		}
	}
	if err != nil {
		return modbus.PDU{}, err
	}
	adu, err := modbus.ParseRTU(reply)
	if err != nil {
		return modbus.PDU{}, fmt.Errorf("the reply % X cannot be read: %w", reply, err)
	}
	if adu.Unit != unit {
		return modbus.PDU{}, fmt.Errorf("the reply is from unit %d, unit %d was asked", adu.Unit, unit)
	}
	return adu.PDU, nil
}

// drain forgets replies that nobody waits for any more.
func (a *gatewayAsker) drain() {
	for {
		select {
		case m := <-a.c.arrived:
			a.c.online = a.c.online || m.Topic == a.c.status
			a.c.bus = a.c.bus || m.Topic == a.c.topics.Status()
		default:
			return
		}
	}
}

// say sends a frame in the form and returns the frame that comes for it.
func (a *gatewayAsker) say(ctx context.Context, frame []byte) ([]byte, error) {
	switch a.form {
	case asJSON:
		return a.asJSON(ctx, frame)
	case asHex:
		reply, err := replied(a.c.ask(ctx, []byte(hexText(frame))))
		if err != nil {
			return nil, err
		}
		return fromHex(reply)
	}
	return replied(a.c.ask(ctx, frame))
}

// asJSON waits for the reply that has the request's id: those that came too late for
// earlier ones are passed over.
func (a *gatewayAsker) asJSON(ctx context.Context, frame []byte) ([]byte, error) {
	id := rand.Text()
	asked, err := json.Marshal(map[string]string{"id": id, "frame": hexText(frame)})
	if err != nil {
		return nil, err
	}
	reply, refused, err := a.c.ask(ctx, asked)
	for err == nil && refused == nil {
		var of struct{ ID string }
		if json.Unmarshal(reply, &of) != nil || of.ID == id {
			break
		}
		reply, refused, err = a.c.listen(ctx, asked)
	}
	if reply, err = replied(reply, refused, err); err == nil {
		reply, err = frameOf(reply)
	}
	if err != nil {
		return nil, err
	}
	return fromHex(reply)
}

// replied makes a report an error.
func replied(reply []byte, refused *report, err error) ([]byte, error) {
	if err == nil && refused != nil {
		err = &noReply{refused.Code, refused.Message}
	}
	return reply, err
}

func hexText(frame []byte) string { return strings.ToUpper(hex.EncodeToString(frame)) }

func fromHex(reply []byte) ([]byte, error) {
	frame, err := hex.DecodeString(strings.TrimSpace(string(reply)))
	if err != nil {
		return nil, fmt.Errorf("the reply %q cannot be read: %w", reply, err)
	}
	return frame, nil
}
