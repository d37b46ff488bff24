package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"

	"modferry/examples/client"
)

//go:embed page
var pageFiles embed.FS

// clientPath is where the JavaScript client is.
const clientPath = "client/modferry.mjs"

// policy is the page's content security policy. It runs and shows what is here and
// nothing else; no text ever becomes markup or code. Connections go to any WebSocket,
// because people may name any broker; HTTP goes to this server alone.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// content is a file as it is sent.
type content struct {
	kind         string
	plain, gzip  []byte
	etag, gzETag string
}

// page is what the console consists of, by path without the leading "/".
type page map[string]content

// newPage reads and compresses what is embedded, and the JavaScript client.
func newPage() (page, error) {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		return nil, err
	}
	texts := map[string][]byte{clientPath: client.Source}
	err = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			texts[name], err = fs.ReadFile(files, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the page: %w", err)
	}
	texts["index.html"] = withModules(texts["index.html"], slices.Sorted(maps.Keys(texts)))
	p := page{}
	for name, text := range texts {
		if p[name], err = newContent(name, text); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// modulesHere is where the page names its modules. Otherwise a browser would find
// them one after the other, each with a round trip of its own.
const modulesHere = "<!-- modules: the server lists them here, to be loaded at once -->\n"

func withModules(index []byte, names []string) []byte {
	var links strings.Builder
	for _, name := range names {
		if kindOf(name) == kindOf(".js") && path.Dir(name) != "vendor" {
			fmt.Fprintf(&links, "<link rel=\"modulepreload\" href=\"%s\">\n", name)
		}
	}
	return bytes.Replace(index, []byte(modulesHere), []byte(links.String()), 1)
}

func newContent(name string, text []byte) (content, error) {
	var small bytes.Buffer
	w, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		return content{}, err
	}
	if _, err := w.Write(text); err != nil {
		return content{}, err
	}
	if err := w.Close(); err != nil {
		return content{}, err
	}
	sum := sha256.Sum256(text)
	tag := hex.EncodeToString(sum[:12])
	return content{kind: kindOf(name), plain: text, gzip: small.Bytes(), etag: `"` + tag + `"`, gzETag: `"` + tag + `-gzip"`}, nil
}

// kindOf does not ask the system, whose tables differ.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "text/plain; charset=utf-8"
}

// ServeHTTP answers GET and HEAD. Browsers keep a file and ask each time whether it
// is still the same, so that a new version of the program shows at once.
func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this is read with GET", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		name = "index.html"
	}
	c, ok := p[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	body, tag := c.plain, c.etag
	h := w.Header()
	if acceptsGzip(r) {
		body, tag = c.gzip, c.gzETag
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache")
	if match := r.Header.Get("If-None-Match"); match != "" && strings.Contains(match, tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", c.kind)
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // who asked may be gone
	}
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if coding == "gzip" {
			return strings.ReplaceAll(q, " ", "") != "q=0"
		}
	}
	return false
}

// hardened sets what every answer of this server says to a browser.
func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
