// Go asks a gateway over MQTT: go run ./examples/go [-broker URL] [-prefix P] [-bus B]
package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// request is one in JSON with fields; a reply has the same id.
type request struct {
	ID       string   `json:"id"`
	Unit     byte     `json:"unit"`
	Function string   `json:"function"`
	Address  uint16   `json:"address"`
	Quantity uint16   `json:"quantity,omitempty"`
	Values   []uint16 `json:"values,omitempty"`
}

type reply struct {
	ID      string
	OK      bool
	Values  []uint16
	Outcome string // of a write: done, refused or unknown
	Error   struct{ Code, Message string }
}

// bus is one of a gateway.
type bus struct {
	client  mqtt.Client
	request string // topic
	replies chan reply
}

func main() {
	broker := flag.String("broker", "tcp://127.0.0.1:1883", "`URL` of the broker")
	prefix := flag.String("prefix", "modferry/demo", "`TOPIC` that the gateway's topics begin with")
	name := flag.String("bus", "line", "`NAME` of the bus")
	flag.Parse()
	b, err := connect(*broker, *prefix+"/bus/"+*name, "go-example") // this program's own name, and kept
	if err != nil {
		log.Fatal(err)
	}
	defer b.client.Disconnect(250)
	read, err := b.ask(request{Unit: 1, Function: "read_input_registers", Address: 1, Quantity: 2})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("values", read.Values)
	write, err := b.ask(request{Unit: 1, Function: "write_single_register", Address: 1, Values: []uint16{0}})
	fmt.Println("write", write.Outcome, err) // if it is unknown: read before you write again
}

// connect returns the bus whose topics begin with base.
func connect(broker, base, name string) (*bus, error) {
	b := &bus{request: base + "/request/" + name, replies: make(chan reply, 16)}
	subscribed := make(chan error, 1)
	o := mqtt.NewClientOptions().AddBroker(broker).SetClientID(name).SetKeepAlive(30 * time.Second).
		SetUsername(os.Getenv("MQTT_USERNAME")).SetPassword(os.Getenv("MQTT_PASSWORD"))
	o.OnConnect = func(c mqtt.Client) { // after each reconnect, too
		t := c.Subscribe(base+"/response/"+name, 1, b.receive)
		go func() {
			t.Wait()
			select {
			case subscribed <- t.Error():
			default: // only the first one is waited for
			}
		}()
	}
	b.client = mqtt.NewClient(o)
	if t := b.client.Connect(); t.Wait() && t.Error() != nil {
		return nil, t.Error()
	}
	return b, <-subscribed
}

func (b *bus) receive(_ mqtt.Client, m mqtt.Message) {
	var r reply
	if json.Unmarshal(m.Payload(), &r) == nil {
		b.replies <- r
	}
}

// ask sends a request and waits for its reply.
func (b *bus) ask(r request) (reply, error) {
	r.ID = rand.Text()
	payload, err := json.Marshal(r)
	if err != nil {
		return reply{}, err
	}
	b.client.Publish(b.request, 1, false, payload)
	late := time.After(10 * time.Second)
	for {
		select {
		case got := <-b.replies:
			if got.ID == r.ID && !got.OK {
				return got, errors.New(got.Error.Message)
			}
			if got.ID == r.ID {
				return got, nil
			}
		case <-late:
			return reply{Outcome: "unknown"}, errors.New("no reply within 10 s")
		}
	}
}
