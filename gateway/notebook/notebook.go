// Package notebook keeps small files that outlive the process. A file is replaced as a
// whole, at most 16 MiB are read of it, and losing one costs what was in it and nothing
// else.
package notebook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"modferry/configs/plainfile"
	"modferry/gateway/wholefile"
)

// Notebook is one file. One that is damaged is set aside.
type Notebook struct {
	o    Options
	path string        // "" = nothing is kept
	news chan struct{} // one token: there is something to write
}

// Options describe a notebook.
type Options struct {
	Folder, Name string                  // of the file; a folder of "" = nothing is kept
	What         string                  // is kept, for the log
	Pause        time.Duration           // between two writes
	Take         func(text []byte) error // called once, by Open, with what the file says, if there is one
	Text         func() ([]byte, error)  // all that is to be kept; called by Run
	Log          *slog.Logger
}

// MaxSize is how much of a file is read, in bytes.
const MaxSize = 16 << 20

// Again is how long after a write that failed the next one is tried.
const Again = time.Minute

// Open reads the file. Nothing is written before [Notebook.Run].
func Open(o Options) *Notebook {
	n := &Notebook{o: o, news: make(chan struct{}, 1)}
	if o.Folder == "" {
		return n
	}
	n.path = filepath.Join(o.Folder, o.Name)
	if err := n.read(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.Log.Warn(o.What+" is lost and begins anew; the file is set aside", "error", err)
		_ = os.Rename(n.path, n.path+".broken") // if not, it is replaced
	}
	return n
}

func (n *Notebook) read() error {
	f, err := plainfile.Open(n.path)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxSize))
	if err != nil {
		return err
	}
	if err := n.o.Take(text); err != nil {
		return fmt.Errorf("%s is damaged: %w", n.path, err)
	}
	return nil
}

// Run writes what changed until ctx ends, and what is left then.
func (n *Notebook) Run(ctx context.Context) {
	failed := false
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-n.news:
		}
		pause, err := n.o.Pause, n.write()
		if err != nil {
			pause = Again
			n.Tell()
			if !failed {
				n.o.Log.Warn(n.o.What+" is not kept over a restart; trying again", "error", err)
			}
		}
		failed = err != nil
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	select {
	case <-n.news:
		_ = n.write() // the next run begins with what is there
	default:
	}
}

// Tell says that there is something to write. It does not wait for that.
func (n *Notebook) Tell() {
	select {
	case n.news <- struct{}{}:
	default:
	}
}

// write makes the file anew, in one step.
func (n *Notebook) write() error {
	if n.path == "" {
		return nil
	}
	text, err := n.o.Text()
	if err != nil {
		return err
	}
	return wholefile.WriteSynced(n.path, text)
}
