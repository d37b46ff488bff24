package poll

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modferry/configs/plainfile"
	"modferry/gateway/config"
	"modferry/gateway/wholefile"
)

// Memory keeps over restarts what devices taught about the reads they take, in a
// small file. A file that is damaged, or cannot be written, costs what was learned
// and nothing else: the devices teach it again.
type Memory struct {
	path string // "" = nothing is kept
	log  *slog.Logger
	news chan struct{} // one token: there is something to write

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

// Limits of the file.
const (
	memoryName    = "plans.json"
	maxMemory     = 16 << 20
	memoryPause   = time.Second         // between two writes
	memoryAgain   = time.Minute         // after one that failed
	memoryUnknown = 30 * 24 * time.Hour // what is older and of no device that is configured goes
)

// OpenMemory returns the memory in a folder, "" = one that a restart empties. Nothing
// is written before [Memory.Run].
func OpenMemory(folder string, log *slog.Logger) *Memory {
	m := &Memory{log: log, news: make(chan struct{}, 1), known: map[string]memory{}, used: map[string]bool{}}
	if folder == "" {
		return m
	}
	m.path = filepath.Join(folder, memoryName)
	known, err := readMemory(m.path)
	switch {
	case err == nil:
		m.known = known
	case !errors.Is(err, fs.ErrNotExist):
		log.Warn("what was learned about the devices is lost and is learned again; the file is set aside", "error", err)
		_ = os.Rename(m.path, m.path+".broken") // if not, it is replaced
	}
	return m
}

func readMemory(path string) (map[string]memory, error) {
	f, err := plainfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxMemory))
	if err != nil {
		return nil, err
	}
	known, err := parseMemory(text)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return known, nil
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
	m.tell()
}

// Run writes what is learned until ctx ends, and what is left then.
func (m *Memory) Run(ctx context.Context) {
	failed := false
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-m.news:
		}
		pause, err := memoryPause, m.write()
		if err != nil {
			pause = memoryAgain
			m.tell()
			if !failed {
				m.log.Warn("what was learned about the devices is not kept over a restart; trying again", "error", err)
			}
		}
		failed = err != nil
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	select {
	case <-m.news:
		_ = m.write() // the next run learns it again
	default:
	}
}

// tell says that there is something to write.
func (m *Memory) tell() {
	select {
	case m.news <- struct{}{}:
	default:
	}
}

// write makes the file anew, in one step.
func (m *Memory) write() error {
	if m.path == "" {
		return nil
	}
	m.mu.Lock()
	for device, k := range m.known {
		if !m.used[device] && time.Since(k.Time) > memoryUnknown {
			delete(m.known, device)
		}
	}
	text, err := json.MarshalIndent(m.known, "", " ")
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return wholefile.WriteSynced(m.path, text)
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
