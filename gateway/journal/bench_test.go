package journal

import (
	"context"
	"sync/atomic"
	"testing"
)

func benchmark(b *testing.B, o Options, write bool, parallel int) {
	j := open(b, o)
	var next atomic.Int64
	reply := []byte(`{"id":7,"ok":true,"frame":"010600010003980B","elapsed_ms":12}`)
	b.ReportAllocs()
	b.SetParallelism(parallel)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			k := key("%d", next.Add(1))
			if _, err := j.Begin(k, write); err != nil {
				b.Error(err)
				return
			}
			if err := j.Commit(context.Background(), k); err != nil {
				b.Error(err)
				return
			}
			j.Finish(k, reply)
		}
	})
}

func BenchmarkRead(b *testing.B) { benchmark(b, Options{}, false, 1) }

func BenchmarkWriteInMemory(b *testing.B) { benchmark(b, Options{}, true, 1) }

func BenchmarkWriteParallel64(b *testing.B) {
	benchmark(b, Options{Dir: b.TempDir()}, true, 32) // for each of the processors, of which a small machine has two
}

func BenchmarkWriteSequential(b *testing.B) {
	j := open(b, Options{Dir: b.TempDir()})
	reply := []byte("010600010003980B")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k := key("%d", i)
		if _, err := j.Begin(k, true); err != nil {
			b.Fatal(err)
		}
		if err := j.Commit(context.Background(), k); err != nil {
			b.Fatal(err)
		}
		j.Finish(k, reply)
	}
}

func BenchmarkRedelivery(b *testing.B) {
	j := open(b, Options{})
	execute(b, j, key("write"), "reply")
	k := key("write")
	b.ReportAllocs()
	for b.Loop() {
		if e, _ := j.Begin(k, true); e.State != Answered {
			b.Fatal(e.State)
		}
	}
}

func BenchmarkOpenWith20000(b *testing.B) {
	dir := b.TempDir()
	j := open(b, Options{Dir: dir})
	for i := range 20_000 {
		if _, err := j.Begin(key("%d", i), true); err != nil {
			b.Fatal(err)
		}
		j.Finish(key("%d", i), []byte("010600010003980B"))
	}
	closeJournal(b, j)
	for b.Loop() {
		j, err := Open(Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		closeJournal(b, j)
	}
}

func TestRedeliveryAllocatesNothing(t *testing.T) {
	j := open(t, Options{})
	k := key("write")
	execute(t, j, k, "reply")
	if n := testing.AllocsPerRun(1000, func() { _, _ = j.Begin(k, true) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
