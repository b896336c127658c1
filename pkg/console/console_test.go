package console_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/centrala/centrala/pkg/console"
)

func ask(t *testing.T, h http.Handler, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestConsoleThatWasNotBuiltSaysHow(t *testing.T) {
	res := ask(t, console.New(fstest.MapFS{}), "GET", "/")
	if got := body(t, res); res.StatusCode != 200 || !strings.Contains(got, "make ui") || strings.Contains(got, console.Nonce) {
		t.Errorf("%d %s", res.StatusCode, got)
	}
}

func TestPagesAndFiles(t *testing.T) {
	h := console.New(fstest.MapFS{
		"index.html":          {Data: []byte(`<script nonce="` + console.Nonce + `" src="/assets/a-1.js"></script>`)},
		"assets/a-1.js":       {Data: []byte("plain")},
		"assets/a-1.js.br":    {Data: []byte("brotli")},
		"assets/a-1.js.gz":    {Data: []byte("gzip")},
		"favicon.svg":         {Data: []byte("<svg/>")},
		".keep":               {Data: []byte("x")},
		"assets/.hidden/f.js": {Data: []byte("x")},
	})
	nonces := map[string]bool{}
	for _, path := range []string{"/", "/index.html", "/desk", "/live/calls/01a2", "/../../etc/passwd"} {
		res := ask(t, h, "GET", path)
		m := regexp.MustCompile(`nonce="([^"]+)"`).FindStringSubmatch(body(t, res))
		if res.StatusCode != 200 || m == nil {
			t.Fatalf("%s: %d", path, res.StatusCode)
		}
		csp := res.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "'nonce-"+m[1]+"'") || strings.Contains(csp, "script-src 'self' 'unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if nonces[m[1]] {
			t.Errorf("%s: the nonce of another answer", path)
		}
		nonces[m[1]] = true
		if cc := res.Header.Get("Cache-Control"); cc != "no-cache" {
			t.Errorf("%s: Cache-Control %q", path, cc)
		}
	}
	for _, c := range []struct{ accept, want, encoding string }{{"", "plain", ""}, {"gzip, br", "brotli", "br"}, {"gzip, br;q=0", "gzip", "gzip"}, {"deflate", "plain", ""}} {
		res := ask(t, h, "GET", "/assets/a-1.js", "Accept-Encoding", c.accept)
		if got := body(t, res); got != c.want || res.Header.Get("Content-Encoding") != c.encoding || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") ||
			res.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
			t.Errorf("Accept-Encoding %q: %q %v", c.accept, got, res.Header)
		}
		if again := ask(t, h, "GET", "/assets/a-1.js", "If-None-Match", res.Header.Get("ETag")); again.StatusCode != 304 {
			t.Errorf("known file: %d", again.StatusCode)
		}
	}
	for path, want := range map[string]int{"/assets/gone-2.js": 404, "/.keep": 404, "/assets/a-1.js.br": 404} {
		if res := ask(t, h, "GET", path); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
	if res := ask(t, h, "POST", "/"); res.StatusCode != 405 {
		t.Errorf("POST: %d", res.StatusCode)
	}
}
