package sparkplug

import (
	"log/slog"
	"reflect"
	"sync"
	"time"

	"modferry/gateway/config"
	"modferry/gateway/message"
	"modferry/gateway/quietlog"
)

// Options describe a node.
type Options struct {
	Group, Node string
	Wake        func()                                  // there is something for [Node.Next]; must not block
	Set         func(device, reading string, c Command) // a host writes a reading; must not block
	Rebirth     time.Duration                           // births are not repeated sooner after the last ones; 0 = 2 s
	BDSeqFile   string                                  // remembers bdSeq for the next process; "" = nothing does
	Log         *slog.Logger
}

const defaultRebirth = 2 * time.Second

// Node is an edge node: what is known of its devices, and what its hosts know. Its
// methods may be called from any goroutine.
type Node struct {
	o      Options
	quiet  *quietlog.Log // of what hosts send
	topics topics

	mu      sync.Mutex
	bdSeq   bdSeq
	seq     uint8 // of the next message
	online  bool  // connected and subscribed
	born    bool  // the hosts know the node
	begun   time.Time
	again   *time.Timer // births shall be repeated; nil = not asked for
	woken   bool        // Wake was called, and Next not since
	devices []*device
	byName  map[string]*device
	dead    []string          // devices that are gone, and the hosts know them
	aliases map[string]uint64 // by device/metric
	turn    int               // the device after the one that changes were told of last
}

// New returns a node without devices.
func New(o Options) *Node {
	if o.Rebirth == 0 {
		o.Rebirth = defaultRebirth
	}
	return &Node{o: o, quiet: quietlog.New(o.Log), topics: topics{o.Group, o.Node}, bdSeq: newBDSeq(o.BDSeqFile), aliases: map[string]uint64{}}
}

// Close ends what the node would do by itself.
func (n *Node) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.online = false
	n.cancelAgain()
}

// Connecting begins a new connection, before the will is asked for.
func (n *Node) Connecting() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.online, n.born = false, false
	n.cancelAgain()
	if err := n.bdSeq.next(); err != nil {
		n.o.Log.Warn("the number of this Sparkplug session is not kept over a restart", "error", err)
	}
}

// Online begins the births: the connection is made and subscribed.
func (n *Node) Online() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.online, n.woken = true, false
	n.wake()
}

// SetDevices goes over to other devices. Those that are described as before stay; all
// others are known to the hosts when they say that they are online.
func (n *Node) SetDevices(all []config.Device) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before, known := n.devices, n.byName
	n.devices, n.byName, n.turn = nil, map[string]*device{}, 0
	for _, c := range all {
		d := known[c.Name]
		if d == nil || !reflect.DeepEqual(d.built, c) {
			d = newDevice(c, func(name string) uint64 { return n.alias(c.Name + "/" + name) })
		}
		n.devices = append(n.devices, d)
		n.byName[c.Name] = d
	}
	for _, d := range before {
		if d.born && n.byName[d.built.Name] != d {
			n.dead = append(n.dead, d.built.Name)
		}
	}
	n.wake()
}

// alias returns the alias of a name, which is its own as long as the process lives
// [tck-id-payloads-alias-uniqueness].
func (n *Node) alias(name string) uint64 {
	if n.aliases[name] == 0 {
		n.aliases[name] = uint64(len(n.aliases)) + 1
	}
	return n.aliases[name]
}

// Sample takes what is known of a reading now.
func (n *Node) Sample(device, reading string, s message.Sample) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if d := n.byName[device]; d != nil {
		d.sample(reading, s, time.Now())
		if d.online && (d.pending > 0 || !d.born) {
			n.wake()
		}
	}
}

// Status takes whether a device answers.
func (n *Node) Status(device string, online bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if d := n.byName[device]; d != nil && d.online != online {
		d.online = online
		n.wake()
	}
}

// wake asks for a call of Next, once.
func (n *Node) wake() {
	if n.online && !n.woken {
		n.woken = true
		n.o.Wake()
	}
}

// rebirth has all births repeated, now or when it is not too soon after the last ones.
func (n *Node) rebirth() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.again != nil || !n.online || !n.born { // it is on its way
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(max(0, n.o.Rebirth-time.Since(n.begun)), func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.again == timer {
			n.again, n.born = nil, false
			n.wake()
		}
	})
	n.again = timer
}

func (n *Node) cancelAgain() {
	if n.again != nil {
		n.again.Stop()
		n.again = nil
	}
}
