package watch

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// watched reads the files and watches them until the test ends.
func watched(t *testing.T, files ...string) *Watcher {
	t.Helper()
	w, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	again(t, w, files...)
	return w
}

// again reads the files and has them watched as they are, and waits until that is so.
func again(t *testing.T, w *Watcher, files ...string) {
	t.Helper()
	f := &Files{}
	for _, name := range files {
		_, _ = f.ReadFile(name) // a missing one is watched too
	}
	w.Watch(f)
	for end := time.Now().Add(patience); len(w.set) > 0 || len(files) > 0 && len(w.events.WatchList()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the files are not watched")
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// expect waits for a change. That the number of changes is right is for silence.
func expect(t *testing.T, w *Watcher) {
	t.Helper()
	select {
	case <-w.Changed():
	case <-time.After(patience):
		t.Fatal("the change is not noticed")
	}
}

// silence waits until everything until now has been looked at.
func silence(t *testing.T, w *Watcher) {
	t.Helper()
	select {
	case <-w.Changed():
		t.Error("something was told that is no change")
	case <-time.After(3 * settle):
	}
}

func TestWrittenInPlace(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, file, "a")
	w := watched(t, file)
	write(t, file, "b")
	expect(t, w)
	again(t, w, file)
	write(t, file, "b") // written again, and the same
	write(t, filepath.Join(filepath.Dir(file), "other"), "x")
	must(t, os.Chmod(file, 0o640))
	silence(t, w)
}

func TestReplacedByRenaming(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, file, "0")
	w := watched(t, file)
	for i := range 3 {
		write(t, file+".new", fmt.Sprint("fresh ", i))
		must(t, os.Rename(file+".new", file))
		expect(t, w)
		again(t, w, file)
	}
}

// TestEditor: moved away, written anew in two steps. It is one change, of what is there in the end.
func TestEditor(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, file, "a")
	w := watched(t, file)
	must(t, os.Rename(file, file+"~"))
	write(t, file, "")
	write(t, file, "b")
	must(t, os.Remove(file+"~"))
	expect(t, w)
	again(t, w, file)
	silence(t, w)
}

func TestRemovedAndCreatedAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "etc", "modferry")
	must(t, os.MkdirAll(dir, 0o700))
	file := filepath.Join(dir, "gateway.yaml")
	write(t, file, "a")
	w := watched(t, file)
	must(t, os.RemoveAll(filepath.Dir(dir)))
	expect(t, w)
	again(t, w, file)
	must(t, os.MkdirAll(dir, 0o700))
	write(t, file, "a")
	expect(t, w)
}

func TestMissingFileAppears(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secrets", "mqtt.password")
	w := watched(t, file)
	must(t, os.Mkdir(filepath.Dir(file), 0o700))
	silence(t, w)
	write(t, file, "s")
	expect(t, w)
}

// TestKubernetes: gateway.yaml -> ..data/gateway.yaml, and ..data is replaced.
func TestKubernetes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	version := func(n int) {
		name := fmt.Sprintf("..version-%d", n)
		must(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		write(t, filepath.Join(dir, name, "gateway.yaml"), fmt.Sprint("version ", n))
		must(t, os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		if n > 0 {
			must(t, os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..version-%d", n-1))))
		}
	}
	version(0)
	file := filepath.Join(dir, "gateway.yaml")
	must(t, os.Symlink(filepath.Join("..data", "gateway.yaml"), file))
	w := watched(t, file)
	for n := 1; n < 4; n++ {
		version(n)
		expect(t, w)
		again(t, w, file)
	}
}

// TestLinkToFolder: a folder above the file is a link that is pointed elsewhere.
func TestLinkToFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, release := range []string{"one", "two"} {
		must(t, os.Mkdir(filepath.Join(dir, release), 0o700))
		write(t, filepath.Join(dir, release, "gateway.yaml"), release)
	}
	link := filepath.Join(dir, "current")
	must(t, os.Symlink(filepath.Join(dir, "one"), link))
	w := watched(t, filepath.Join(link, "gateway.yaml"))
	must(t, os.Symlink("two", link+".new"))
	must(t, os.Rename(link+".new", link))
	expect(t, w)
}

// TestChangedBeforeItIsWatched: nothing is missed between reading and watching.
func TestChangedBeforeItIsWatched(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, file, "a")
	f := &Files{}
	if _, err := f.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	write(t, file, "b")
	w := watched(t)
	w.Watch(f)
	expect(t, w)
}

// TestBusyFolder: a change is noticed although something happens beside it all the time.
func TestBusyFolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, file, "a")
	w := watched(t, file)
	ctx, cancel := context.WithCancel(context.Background())
	var busy sync.WaitGroup
	busy.Go(func() {
		for ctx.Err() == nil {
			_ = os.WriteFile(file+".log", []byte(time.Now().String()), 0o600)
			time.Sleep(10 * time.Millisecond)
		}
	})
	defer busy.Wait()
	defer cancel()
	write(t, file, "b")
	expect(t, w)
}

func TestLinksThatGoInCircles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	must(t, os.Symlink(a, b))
	must(t, os.Symlink(b, a))
	w := watched(t, a)
	must(t, os.Remove(a))
	write(t, a, "x")
	expect(t, w)
}
