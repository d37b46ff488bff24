package poll

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"modferry/gateway/config"
	"modferry/gateway/notebook"
)

// Memory keeps over restarts what devices taught about the reads they take. What of
// it is lost they teach again.
type Memory struct {
	*notebook.Notebook

	mu    sync.Mutex
	known map[string]memory // by device
	used  map[string]bool   // recalled or kept by this process
}

// memory is what one device taught.
type memory struct {
	Key  string    `json:"key"` // of the device and its readings; with another one it is forgotten
	Time time.Time `json:"time"`
	lesson
}

const (
	memoryName  = "plans.json"
	memoryPause = time.Second // between two writes
)

// forgotten is the age at which what is kept of a device that is not configured goes.
const forgotten = 30 * 24 * time.Hour

// OpenMemory returns the memory in a folder, "" = one that a restart empties. Nothing
// is written before [Memory.Run].
func OpenMemory(folder string, log *slog.Logger) *Memory {
	m := &Memory{known: map[string]memory{}, used: map[string]bool{}}
	m.Notebook = notebook.Open(notebook.Options{
		Folder: folder, Name: memoryName, What: "what was learned about the devices", Pause: memoryPause, Text: m.content, Log: log,
		Take: func(text []byte) (err error) {
			known, err := parseMemory(text)
			if err == nil {
				m.known = known
			}
			return err
		},
	})
	return m
}

// parseMemory takes only what a device can have taught.
func parseMemory(text []byte) (map[string]memory, error) {
	known := map[string]memory{}
	if err := json.Unmarshal(text, &known); err != nil {
		return nil, err
	}
	if known == nil { // the text is null
		return nil, errors.New("it says nothing")
	}
	for device, m := range known {
		if !m.valid() {
			return nil, fmt.Errorf("what it says of device %q is not possible", device)
		}
	}
	return known, nil
}

// recall returns what a device taught, and how long ago that was.
func (m *Memory) recall(device, key string) (lesson, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used[device] = true
	k, ok := m.known[device]
	if !ok || k.Key != key {
		return lesson{}, 0
	}
	return k.clone(), max(0, time.Since(k.Time)) // the clock may have been wrong
}

// keep has what a device taught written soon. It does not wait for the disk.
func (m *Memory) keep(device, key string, l lesson) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before, ok := m.known[device]; ok && before.Key == key && before.equal(l) || !ok && l.isEmpty() {
		return
	}
	if l.isEmpty() {
		delete(m.known, device)
	} else {
		m.known[device] = memory{key, time.Now().UTC().Truncate(time.Second), l}
	}
	m.Tell()
}

// content is what the file has.
func (m *Memory) content() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for device, k := range m.known {
		if !m.used[device] && time.Since(k.Time) > forgotten {
			delete(m.known, device)
		}
	}
	return json.MarshalIndent(m.known, "", " ")
}

// keyOf names a device as it is configured: how it is reached, what may be asked of
// it, and where its readings are.
func keyOf(d config.Device, b config.Bus) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", b.Name)
	if b.Serial != nil {
		fmt.Fprintf(h, " %q", b.Serial.Path)
	}
	if b.TCP != nil {
		fmt.Fprintf(h, " %q %q", b.TCP.Network, b.TCP.Address)
	}
	fmt.Fprintf(h, " %d %v", d.Unit, d.Limits)
	for _, r := range d.Readings {
		if isRead(r) {
			fmt.Fprintf(h, " %v", r.Span())
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
