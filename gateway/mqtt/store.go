package mqtt

import (
	"cmp"
	"slices"
	"sync"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// store keeps for MQTT 3.1.1 what the broker has not acknowledged. A PUBREL has the
// place of its PUBLISH: repeated after a later PUBLISH, as in the library's own store,
// it could be overtaken by the release of that, and brokers pass on what is released.
type store struct {
	paho.Store
	mu     sync.Mutex
	places map[string]int // by key
	last   int
}

func newStore() *store {
	return &store{Store: paho.NewOrderedMemoryStore(), places: map[string]int{}}
}

// Put stores a packet.
func (s *store) Put(key string, p packets.ControlPacket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, released := p.(*packets.PubrelPacket)
	if _, known := s.places[key]; !known || !released {
		s.last++
		s.places[key] = s.last
	}
	s.Store.Put(key, p)
}

// Del forgets a packet.
func (s *store) Del(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.places, key)
	s.Store.Del(key)
}

// Reset forgets all.
func (s *store) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.places)
	s.Store.Reset()
}

// All returns the keys in the order in which the packets are to be repeated.
func (s *store) All() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := s.Store.All()
	slices.SortFunc(keys, func(a, b string) int { return cmp.Compare(s.places[a], s.places[b]) })
	return keys
}
