package console

import (
	"encoding/json"
	"net/http"
	"strings"
)

// health answers whether something is as it should be: 200, or 503 with a line for
// each reason. A nil check is always good.
func health(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var reasons []string
		if check != nil {
			if err := check(); err != nil {
				reasons = strings.Split(strings.TrimSpace(err.Error()), "\n")
			}
		}
		status, text := http.StatusOK, "ok\n"
		if reasons != nil {
			status, text = http.StatusServiceUnavailable, strings.Join(reasons, "\n")+"\n"
		}
		kind := "text/plain; charset=utf-8"
		if wantsJSON(r) {
			kind, text = "application/json", asJSON(reasons)
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Vary", "Accept")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text)) // who asked may be gone
	}
}

func asJSON(reasons []string) string {
	text, err := json.Marshal(struct {
		OK      bool     `json:"ok"`
		Reasons []string `json:"reasons,omitempty"`
	}{reasons == nil, reasons})
	if err != nil {
		return "{}"
	}
	return string(text) + "\n"
}

func wantsJSON(r *http.Request) bool {
	for _, accepted := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		kind, _, _ := strings.Cut(accepted, ";")
		if strings.EqualFold(strings.TrimSpace(kind), "application/json") {
			return true
		}
	}
	return false
}
