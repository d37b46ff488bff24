package main

import (
	"log/slog"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// systemd is told what the service does, where systemd (or another manager that
// speaks its protocol) started it; elsewhere telling does nothing.
type systemd struct {
	log   *slog.Logger
	alive time.Duration // between two signs of life; 0 = nobody waits for them
}

func newSystemd(log *slog.Logger) *systemd {
	within, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog is not understood, and not served", "error", err)
	}
	return &systemd{log: log, alive: within / 2}
}

func (s *systemd) tell(lines ...string) {
	if _, err := sd.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		s.log.Debug("the service manager does not listen", "error", err)
	}
}

// ready: the listeners are open, and the gateway is at work. Whether a broker
// elsewhere can be reached is not for systemd to wait for; /readyz tells that.
func (s *systemd) ready(status string) { s.tell(sd.SdNotifyReady, "STATUS="+status) }

func (s *systemd) reloading() {
	s.tell(sd.SdNotifyReloading, strings.TrimSpace(sd.SdNotifyMonotonicUsec()))
}

func (s *systemd) stopping() { s.tell(sd.SdNotifyStopping, "STATUS=ending") }

func (s *systemd) isAlive() { s.tell(sd.SdNotifyWatchdog) }
