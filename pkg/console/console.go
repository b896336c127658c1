// Package console serves the web console: the files that `make ui` has built into
// ui/dist, embedded in the binary. It knows nothing of calls and accounts: its pages
// use the API under /api/v1 alone. Without a built console it serves a page that
// says how to build one.
package console

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed all:ui/dist
var built embed.FS

// Nonce is what a page writes where the nonce of the content security policy is
// wanted: each answer has one of its own.
const Nonce = "__CSP_NONCE__"

// Handler serves the embedded console.
func Handler() http.Handler {
	dist, err := fs.Sub(built, "ui/dist")
	if err != nil {
		panic("console: " + err.Error()) // the pattern above is fixed
	}
	return New(dist)
}

// file is one file in the forms that browsers take.
type file struct {
	body   []byte // plain
	packed map[string][]byte
	kind   string
	tag    string
}

type server struct {
	files map[string]*file
	index []byte // nil: nothing was built
}

// packings are the encodings that a build may lie beside a file, best first.
var packings = []struct{ encoding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

// New serves a built console. Files are read once.
func New(dist fs.FS) http.Handler {
	s := &server{files: map[string]*file{}}
	_ = fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), ".") || strings.HasSuffix(name, ".br") || strings.HasSuffix(name, ".gz") {
			return nil
		}
		body, err := fs.ReadFile(dist, name)
		if err != nil {
			return nil
		}
		if name == "index.html" {
			s.index = body
			return nil
		}
		sum := sha256.Sum256(body)
		f := &file{body: body, packed: map[string][]byte{}, kind: kindOf(name), tag: `"` + hex.EncodeToString(sum[:8]) + `"`}
		for _, p := range packings {
			if b, err := fs.ReadFile(dist, name+p.suffix); err == nil {
				f.packed[p.encoding] = b
			}
		}
		s.files[name] = f
		return nil
	})
	return s
}

// kindOf is the media type by the name alone: what a browser sniffs is a hole.
func kindOf(name string) string {
	switch ext := path.Ext(name); ext {
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".webmanifest":
		return "application/manifest+json"
	case ".map", ".json":
		return "application/json"
	case ".txt":
		return "text/plain; charset=utf-8"
	default:
		if k := mime.TypeByExtension(ext); k != "" {
			return k
		}
		return "application/octet-stream"
	}
}

// ServeHTTP answers a file of the build, or the page for every address of the console.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if f := s.files[name]; f != nil {
		s.file(w, r, name, f)
		return
	}
	if name != "" && name != "index.html" && path.Ext(name) != "" {
		http.NotFound(w, r) // a file that an older page asks for, not an address of the console
		return
	}
	s.page(w, r)
}

func (s *server) file(w http.ResponseWriter, r *http.Request, name string, f *file) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.tag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'") // an SVG opened by itself runs nothing
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable") // the name has a hash of the content
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.body
	for _, p := range packings {
		if b := f.packed[p.encoding]; b != nil && accepts(r, p.encoding) {
			h.Set("Content-Encoding", p.encoding)
			body = b
			break
		}
	}
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body)
}

func accepts(r *http.Request, encoding string) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), encoding) && strings.ReplaceAll(q, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

// policy lets a page run what it came with and nothing else. Styles in attributes
// are allowed: component libraries set sizes there; they run no script.
func policy(nonce string) string {
	return "default-src 'none'; script-src 'self' 'nonce-" + nonce + "'; style-src 'self' 'nonce-" + nonce + "'; style-src-attr 'unsafe-inline'; " +
		"img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; manifest-src 'self'; " +
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}

func (s *server) page(w http.ResponseWriter, r *http.Request) {
	b := make([]byte, 16)
	rand.Read(b)
	nonce := base64.RawStdEncoding.EncodeToString(b)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", policy(nonce))
	h.Set("Permissions-Policy", "microphone=(self), hid=(self), camera=(), geolocation=()")
	body := s.index
	if body == nil {
		body = []byte(unbuilt)
	}
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(bytes.ReplaceAll(body, []byte(Nonce), []byte(nonce)))
}

const unbuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Centrala</title>
<style nonce="` + Nonce + `">body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em}code{background:#eee;padding:.1em .3em}</style>
<h1>Centrala runs. Its console was not built.</h1>
<p>This binary has no web console inside. With Node.js at hand, run <code>make ui build</code> in the source folder and start the new binary.</p>
<p>Calls, the command line and the API under <code>/api/v1</code> work without it.</p>
</html>
`
