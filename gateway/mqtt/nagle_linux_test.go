package mqtt

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/url"
	"slices"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"modferry/gateway/gatewaytest"
)

// trips is for figures that are worth comparing: -trips 5000.
var trips = flag.Int("trips", 40, "round trips of each kind in the benchmarks of the wire")

// side is how one end of a conversation is connected.
type side struct {
	name   string
	direct bool // writes go out one by one
	slow   bool // acknowledges when the system likes to
	raw    bool // without a wire
}

// straight writes at once what the wire would gather.
type straight struct{ *wire }

func (s straight) Write(p []byte) (int, error)        { return s.conn.Write(p) }
func (s straight) SetWriteDeadline(t time.Time) error { return s.tcp.SetWriteDeadline(t) }

func (s side) open(address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	w, err := dial(ctx, address, nil)
	if err != nil {
		return nil, err
	}
	if s.slow {
		w.tcp.quick = quickAck{}
	}
	switch {
	case s.raw:
		u, _ := url.Parse(address)
		w.Close()
		return net.Dial("tcp", u.Host)
	case s.direct:
		return straight{w}, nil
	}
	return w, nil
}

func (s side) connect(t testing.TB, address string, handle func(paho.Client, paho.Message)) paho.Client {
	t.Helper()
	c := paho.NewClient(paho.NewClientOptions().AddBroker(address).SetProtocolVersion(4).SetAutoReconnect(false).
		SetDefaultPublishHandler(handle).SetWriteTimeout(5 * time.Second).
		SetCustomOpenConnectionFn(func(u *url.URL, _ paho.ClientOptions) (net.Conn, error) { return s.open(u.String()) }))
	done(t, c.Connect())
	t.Cleanup(func() { c.Disconnect(250) })
	return c
}

// conversation asks and answers through a broker: the app is always quick, the gateway
// is connected as side says.
type conversation struct {
	app     paho.Client
	request string
	qos     byte
	answers chan struct{}
}

func converse(t testing.TB, address string, gateway side, qos byte) *conversation {
	t.Helper()
	c := &conversation{request: fmt.Sprintf("%s/%d/request", gateway.name, qos), qos: qos, answers: make(chan struct{}, 1000)}
	response := c.request + "/response"
	g := gateway.connect(t, address, func(c paho.Client, m paho.Message) { c.Publish(response, qos, false, m.Payload()) })
	done(t, g.Subscribe(c.request, qos, nil))
	c.app = side{}.connect(t, address, func(paho.Client, paho.Message) { c.answers <- struct{}{} })
	done(t, c.app.Subscribe(response, qos, nil))
	return c
}

// ask makes n round trips with as many outstanding, and returns how long each took.
func (c *conversation) ask(t testing.TB, n, outstanding int) (took []time.Duration) {
	t.Helper()
	var began []time.Time
	for asked := 0; len(took) < n; {
		for ; asked < n && asked-len(took) < outstanding; asked++ {
			began = append(began, time.Now())
			c.app.Publish(c.request, c.qos, false, "0103000000044409")
		}
		select {
		case <-c.answers:
			took = append(took, time.Since(began[len(took)]))
		case <-time.After(testPatience):
			t.Fatalf("%d of %d answers", len(took), n)
		}
	}
	return took
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// TestSequentialDeliveriesAreNotHeldBack: a broker on its defaults uses Nagle's
// algorithm. Each request comes after the acknowledgement of the reply before it, and
// must not wait for ours.
func TestSequentialDeliveriesAreNotHeldBack(t *testing.T) {
	broker := gatewaytest.Mosquitto(t, gatewaytest.MosquittoOptions{})
	for qos := range byte(3) {
		c := converse(t, broker.URL(), side{name: "quick"}, qos)
		if m := median(c.ask(t, 30, 1)); m > 20*time.Millisecond {
			t.Errorf("QoS %d: half of the round trips take longer than %v", qos, m)
		}
	}
}

// BenchmarkDelivery compares round trips through a mosquitto on its defaults, with
// acknowledgements at once and with those of the system.
func BenchmarkDelivery(b *testing.B) {
	broker := gatewaytest.Mosquitto(b, gatewaytest.MosquittoOptions{})
	for qos := range byte(3) {
		b.Run(fmt.Sprintf("QoS%d", qos), func(b *testing.B) {
			compare(b, broker.URL(), qos, 1, side{name: "quick"}, side{name: "slow", slow: true})
		})
	}
}

// BenchmarkGathering compares the wire with one that sends each Write by itself, and with a bare socket.
func BenchmarkGathering(b *testing.B) {
	broker := gatewaytest.Mosquitto(b, gatewaytest.MosquittoOptions{NoDelay: true})
	for qos := range byte(3) {
		for _, outstanding := range []int{1, 16} { // mosquitto 2.0.11 stops at QoS 2 with more than its 20 in flight
			b.Run(fmt.Sprintf("QoS%d/outstanding%d", qos, outstanding), func(b *testing.B) {
				compare(b, broker.URL(), qos, outstanding, side{name: "wire"}, side{name: "direct", direct: true}, side{name: "socket", raw: true})
			})
		}
	}
}

// compare makes round trips of each side in turn, so that all see the same machine, and
// reports time and CPU time of each, and the first as a share of the others.
func compare(b *testing.B, address string, qos byte, outstanding int, sides ...side) {
	const rounds = 10
	talks := make([]*conversation, len(sides))
	for i, s := range sides {
		talks[i] = converse(b, address, s, qos)
		talks[i].ask(b, 20, outstanding)
	}
	latency, elapsed, cpu := make([][]time.Duration, len(sides)), make([]time.Duration, len(sides)), make([]time.Duration, len(sides))
	for b.Loop() {
		for range rounds {
			for i, c := range talks {
				began, used := time.Now(), cpuTime()
				latency[i] = append(latency[i], c.ask(b, max(1, *trips/rounds), outstanding)...)
				elapsed[i] += time.Since(began)
				cpu[i] += cpuTime() - used
			}
		}
	}
	for i, s := range sides {
		n := len(latency[i])
		b.ReportMetric(float64(median(latency[i]).Nanoseconds())/1000, s.name+"-µs")
		b.ReportMetric(float64(n)/elapsed[i].Seconds(), s.name+"/s")
		b.ReportMetric(float64(cpu[i].Microseconds())/float64(n), s.name+"-cpu-µs")
		if i > 0 {
			b.ReportMetric(float64(elapsed[i])/float64(elapsed[0]), s.name+"/"+sides[0].name)
		}
	}
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
