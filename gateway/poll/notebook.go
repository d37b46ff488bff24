package poll

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

// notebook is a small file that keeps something over restarts. One that is damaged, or
// cannot be written, costs what was in it and nothing else.
type notebook struct {
	path  string                 // "" = nothing is kept
	what  string                 // is kept, for the log
	pause time.Duration          // between two writes
	text  func() ([]byte, error) // all that is to be kept
	log   *slog.Logger
	news  chan struct{} // one token: there is something to write
}

// Limits of the file.
const (
	maxNotebook   = 16 << 20
	notebookAgain = time.Minute         // after a write that failed
	forgotten     = 30 * 24 * time.Hour // what is older and of no device that is configured goes
)

// openNotebook has take what the file says, if there is one in the folder; "" = none.
// Nothing is written before [notebook.Run].
func openNotebook(n notebook, folder, name string, take func(text []byte) error) *notebook {
	n.news = make(chan struct{}, 1)
	if folder == "" {
		return &n
	}
	n.path = filepath.Join(folder, name)
	if err := n.read(take); err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.log.Warn(n.what+" is lost and begins anew; the file is set aside", "error", err)
		_ = os.Rename(n.path, n.path+".broken") // if not, it is replaced
	}
	return &n
}

func (n *notebook) read(take func(text []byte) error) error {
	f, err := plainfile.Open(n.path)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxNotebook))
	if err != nil {
		return err
	}
	if err := take(text); err != nil {
		return fmt.Errorf("%s is damaged: %w", n.path, err)
	}
	return nil
}

// Run writes what changed until ctx ends, and what is left then.
func (n *notebook) Run(ctx context.Context) {
	failed := false
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case <-n.news:
		}
		pause, err := n.pause, n.write()
		if err != nil {
			pause = notebookAgain
			n.tell()
			if !failed {
				n.log.Warn(n.what+" is not kept over a restart; trying again", "error", err)
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

// tell says that there is something to write.
func (n *notebook) tell() {
	select {
	case n.news <- struct{}{}:
	default:
	}
}

// write makes the file anew, in one step.
func (n *notebook) write() error {
	if n.path == "" {
		return nil
	}
	text, err := n.text()
	if err != nil {
		return err
	}
	return wholefile.WriteSynced(n.path, text)
}
