package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"modferry/gateway/gatewaytest"
)

// talkTo starts send on a terminal of its own, and returns what types there and waits
// for a text.
func talkTo(t *testing.T, state string, args ...string) (typed func(line string), shows func(text string), end func()) {
	t.Helper()
	c := exec.Command(gatewaytest.Binary(t), append([]string{"send"}, args...)...)
	c.Env = append(os.Environ(), "XDG_STATE_HOME="+state)
	terminal, err := pty.StartWithSize(c, &pty.Winsize{Rows: 40, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan string, 1000)
	go func() {
		defer close(seen)
		b := make([]byte, 4096)
		for {
			n, err := terminal.Read(b)
			if err != nil {
				return
			}
			seen <- string(b[:n])
		}
	}()
	text := ""
	shows = func(want string) {
		t.Helper()
		clock := time.After(patience)
		for !strings.Contains(text, want) {
			select {
			case more, there := <-seen:
				if text += more; !there {
					t.Fatalf("it ended, and shows\n%s\nwant %q", text, want)
				}
			case <-clock:
				t.Fatalf("it shows\n%s\nwant %q", text, want)
			}
		}
		_, text, _ = strings.Cut(text, want)
	}
	typed = func(line string) {
		t.Helper()
		if _, err := terminal.WriteString(line); err != nil {
			t.Fatal(err)
		}
	}
	end = func() {
		t.Helper()
		typed("\x04")
		if err := c.Wait(); err != nil {
			t.Errorf("it ends with %v", err)
		}
		terminal.Close()
		for range seen { // until the reader is done
		}
	}
	return typed, shows, end
}

// A person asks one thing after the other, and finds earlier lines the next time, too.
func TestSendTalks(t *testing.T) {
	tcp, _ := sensor(t)
	state := t.TempDir()
	typed, shows, end := talkTo(t, state, "--tcp", tcp)
	shows("Ctrl-D ends it")
	typed("01 04 00 01 00 01\r")
	shows("read input registers")
	typed("01 04 00 6\r")
	shows("this is not a request")
	typed("010300000001\r")
	shows("illegal data address")
	typed("help\r")
	shows("Type a frame")
	end()

	typed, shows, end = talkTo(t, state, "--tcp", tcp)
	shows("Ctrl-D ends it")
	typed("\x1b[A") // help, which was the last line
	shows("help")
	typed("\x1b[A\r")
	shows("010300000001")
	shows("illegal data address")
	end()
}

func TestSendTalksToAGateway(t *testing.T) {
	s := newShed(t)
	typed, shows, end := talkTo(t, t.TempDir(), "--broker", "mqtt://"+s.broker.Addr, "--gateway", "shed", "--bus", "rs485")
	shows("rs485> ")
	typed("020600010007\r")
	shows("has done it")
	s.broker.Restart()
	app := gatewaytest.Client(t, s.broker.URL(), gatewaytest.ClientOptions{})
	app.Subscribe("modferry/shed/status", 1).Await(30*time.Second, func(m gatewaytest.Message) bool { return string(m.Payload) == "online" })
	typed("020300010001\r")
	shows("read holding registers")
	end()
}

func TestSendWithoutAFrameOrATerminal(t *testing.T) {
	code, out, errs := modferry(t, "send", "--tcp", "127.0.0.1:1")
	if code != exitUsage || out != "" || !strings.Contains(errs, "there is no frame") || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
}
