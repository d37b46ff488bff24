package main

import (
	"log/slog"
	"os"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// systemd is told what the service does, where systemd (or another manager that
// speaks its protocol) started it; elsewhere telling does nothing.
type systemd struct {
	log   *slog.Logger
	beat  time.Duration // between two signs of life; 0 = nobody waits for them
	shown string        // the last status
}

// statusEvery is how often the status is looked at where nobody waits for signs of life.
const statusEvery = 5 * time.Second

func newSystemd(log *slog.Logger) *systemd {
	within, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog is not understood, and not served", "error", err)
	}
	s := &systemd{log: log, beat: within / 2}
	if s.beat == 0 && os.Getenv("NOTIFY_SOCKET") != "" {
		s.beat = statusEvery
	}
	return s
}

func (s *systemd) tell(lines ...string) {
	if _, err := sd.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		s.log.Debug("the service manager does not listen", "error", err)
	}
}

// ready: the listeners are open, and the gateway is at work. Whether a broker
// elsewhere can be reached is not for systemd to wait for; /readyz tells that.
func (s *systemd) ready(status string) {
	s.shown = line(status)
	s.tell(sd.SdNotifyReady, "STATUS="+s.shown)
}

// status tells a status that is another one.
func (s *systemd) status(status string) {
	if status = line(status); status != s.shown {
		s.shown = status
		s.tell("STATUS=" + status)
	}
}

// line makes one line of a text: a message to systemd has one for each thing it says.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }

func (s *systemd) reloading() {
	s.tell(sd.SdNotifyReloading, strings.TrimSpace(sd.SdNotifyMonotonicUsec()))
}

func (s *systemd) stopping() { s.tell(sd.SdNotifyStopping, "STATUS=ending") }

func (s *systemd) isAlive() { s.tell(sd.SdNotifyWatchdog) }
