package journal

import (
	"fmt"
	"path/filepath"
	"testing"

	"modferry/gateway/store/storetest"
)

func TestMain(m *testing.M) {
	storetest.Main(m, map[string]func(string) error{
		roleOnce: child((*childGateway).once), roleBusy: child((*childGateway).busy),
		roleFull: child((*childGateway).full), roleLong: child((*childGateway).long),
	})
}

// open opens a journal that is closed when the test ends.
func open(t testing.TB, o Options) *Journal {
	t.Helper()
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func closeJournal(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// afterKill opens what the disk has now, which is what a kill at this moment leaves.
func afterKill(t *testing.T, dir string) *Journal {
	t.Helper()
	copied := t.TempDir()
	storetest.Write(t, filepath.Join(copied, fileName), storetest.Read(t, filepath.Join(dir, fileName)))
	j := open(t, Options{Dir: copied})
	wantSound(t, j, copied)
	return j
}

// wantSound fails the test if the journal is not on disk, or a file was set aside.
func wantSound(t testing.TB, j *Journal, dir string) {
	t.Helper()
	if j.Degraded() {
		t.Errorf("the journal is degraded")
	}
	if broken := storetest.Broken(t, dir); len(broken) > 0 {
		t.Errorf("set aside: %v", broken)
	}
}

func key(format string, args ...any) Key { return NewKey(fmt.Appendf(nil, format, args...)) }

func want(t testing.TB, j *Journal, k Key, state State, reply string) {
	t.Helper()
	e, err := j.Begin(k, true)
	if err != nil || e.State != state || string(e.Reply) != reply {
		t.Errorf("got %v %q, %v; want %v %q", e.State, e.Reply, err, state, reply)
	}
	if e.State == New {
		j.Forget(k)
	}
}

func commit(t testing.TB, j *Journal, k Key) {
	t.Helper()
	if err := j.Commit(storetest.Within(t), k); err != nil {
		t.Fatal(err)
	}
}

// execute takes a write all the way.
func execute(t testing.TB, j *Journal, k Key, reply string) {
	t.Helper()
	if e, err := j.Begin(k, true); err != nil || e.State != New {
		t.Fatalf("state %v, %v; want new", e.State, err)
	}
	commit(t, j, k)
	j.Finish(k, []byte(reply))
}
