package console

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"modferry/gateway/gatewaytest"
)

// plainGet asks without the transport's own compression.
func plainGet(t *testing.T, url string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	reply, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply, body
}

func TestFilesAreCompressedAndKept(t *testing.T) {
	base := serve(t, Options{})
	r, plain := plainGet(t, base+"/app.js")
	zipped, small := plainGet(t, base+"/app.js", "Accept-Encoding", "br, gzip;q=0.8")
	if r.Header.Get("Content-Encoding") != "" || zipped.Header.Get("Content-Encoding") != "gzip" || len(small) >= len(plain) {
		t.Errorf("%v, %v", r.Header, zipped.Header)
	}
	unzip, err := gzip.NewReader(bytes.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(unzip); err != nil || !bytes.Equal(text, plain) {
		t.Errorf("%v: %d bytes became %d", err, len(plain), len(text))
	}
	for _, h := range []http.Header{r.Header, zipped.Header} {
		if h.Get("Content-Type") != "text/javascript; charset=utf-8" || h.Get("Vary") != "Accept-Encoding" || h.Get("Cache-Control") != "no-cache" {
			t.Errorf("%v", h)
		}
	}
	again, body := plainGet(t, base+"/app.js", "Accept-Encoding", "gzip", "If-None-Match", zipped.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified || len(body) > 0 {
		t.Errorf("%s with %d bytes", again.Status, len(body))
	}
	if other, _ := plainGet(t, base+"/app.js", "If-None-Match", `"another"`); other.StatusCode != http.StatusOK {
		t.Error(other.Status)
	}
	if no, _ := plainGet(t, base+"/app.js", "Accept-Encoding", "gzip;q=0"); no.Header.Get("Content-Encoding") != "" {
		t.Error("compressed for a client that does not want it")
	}
}

func TestEveryAnswerIsHardened(t *testing.T) {
	base := serve(t, Options{})
	for _, path := range []string{"/", "/app.js", "/api/view", "/nothing"} {
		r, _ := get(t, base+path)
		csp := r.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: no %s in %q", path, part, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || r.Header.Get("X-Frame-Options") != "DENY" || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, r.Header)
		}
	}
}

func TestModulesAreLoadedAtOnce(t *testing.T) {
	base := serve(t, Options{})
	_, index := get(t, base+"/")
	names := regexp.MustCompile(`<link rel="modulepreload" href="([^"]+)">`).FindAllStringSubmatch(index, -1)
	if len(names) < 15 || strings.Contains(index, "<!--") {
		t.Errorf("%d modules in\n%s", len(names), index)
	}
	for _, name := range names {
		if r, _ := get(t, base+"/"+name[1]); r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/javascript") {
			t.Errorf("%s: %s", name[1], r.Status)
		}
	}
}

// TestWeight: what a browser loads for the whole page, all tabs and both languages.
func TestWeight(t *testing.T) {
	const most = 150_000
	files, err := newPage()
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for name, c := range files {
		if !strings.Contains(name, "LICENSE") && !strings.Contains(name, "pl-v10") && !strings.Contains(name, "edl-v10") {
			total += len(c.gzip)
		}
	}
	t.Logf("%d files, %d bytes compressed", len(files), total)
	if total > most {
		t.Errorf("the page weighs %d bytes, at most %d are wanted", total, most)
	}
}

// The libraries are those that npm has, unchanged.
func TestLibrariesAreThePublishedOnes(t *testing.T) {
	published := map[string]string{
		"paho-mqtt-min.js": "paho-mqtt/paho-mqtt-min.js", "paho-mqtt.edl-v10": "paho-mqtt/edl-v10", "paho-mqtt.epl-v10": "paho-mqtt/epl-v10",
		"uPlot.iife.min.js": "uplot/dist/uPlot.iife.min.js", "uPlot.min.css": "uplot/dist/uPlot.min.css", "uPlot.LICENSE": "uplot/LICENSE",
	}
	modules := filepath.Join("testdata", "browser", "node_modules")
	if _, err := os.Stat(modules); err != nil {
		gatewaytest.Missing(t, "the npm packages are not installed")
	}
	vendor, err := fs.Sub(pageFiles, "page/vendor")
	if err != nil {
		t.Fatal(err)
	}
	have, err := fs.ReadDir(vendor, ".")
	if err != nil || len(have) != len(published) {
		t.Errorf("%d files, %d are known: %v", len(have), len(published), err)
	}
	for ours, theirs := range published {
		a, err := fs.ReadFile(vendor, ours)
		if err != nil {
			t.Error(err)
			continue
		}
		b, err := os.ReadFile(filepath.Join(modules, filepath.FromSlash(theirs)))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is not %s of the npm package: %v", ours, theirs, err)
		}
	}
}
