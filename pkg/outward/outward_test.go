package outward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, allow ...string) *Client {
	t.Helper()
	g, err := NewGuard(allow)
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(g, "test", nil)
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func TestInsideIsRefused(t *testing.T) {
	var hits atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { hits.Add(1) })
	port := s.URL[strings.LastIndexByte(s.URL, ':'):]
	c := client(t)
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433", "127.1"} {
		_, err := c.Do(t.Context(), Request{Method: "GET", URL: "http://" + host + port})
		if err == nil {
			t.Errorf("%s was reached", host)
		}
	}
	if hits.Load() != 0 {
		t.Fatalf("the service inside was asked %d times", hits.Load())
	}
	if _, err := client(t, "127.0.0.1").Do(t.Context(), Request{Method: "GET", URL: s.URL}); err != nil {
		t.Fatalf("an address that is allowed: %v", err)
	}
	if _, err := client(t, "localhost").Do(t.Context(), Request{Method: "GET", URL: "http://LOCALHOST" + port}); err != nil {
		t.Fatalf("a name that is allowed: %v", err)
	}
}

func TestPublic(t *testing.T) {
	for ip, want := range map[string]bool{
		"8.8.8.8": true, "2a00:1450::1": true,
		"10.1.2.3": false, "172.31.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "127.0.0.1": false, "0.0.0.0": false,
		"100.64.0.1": false, "198.18.0.1": false, "224.0.0.1": false, "255.255.255.255": false,
		"::1": false, "fe80::1": false, "fd00::1": false, "ff02::1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false,
	} {
		if got := Public(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %v", ip, got)
		}
	}
	g, _ := NewGuard([]string{"10.0.0.0/8"})
	if !g.May(netip.MustParseAddr("::ffff:10.1.1.1"), false) || g.May(netip.MustParseAddr("8.8.8.8"), false) || !g.May(netip.MustParseAddr("8.8.8.8"), true) {
		t.Error("what is allowed is not what was said")
	}
	if _, err := NewGuard([]string{"http://x"}); err == nil {
		t.Error("a URL is no host")
	}
}

func TestRedirects(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Error("the other host was reached") })
	var s *httptest.Server
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/here":
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
		case "/there":
			b, _ := io.ReadAll(r.Body)
			fmt.Fprint(w, r.Method, " ", string(b))
		}
	})
	c := client(t, "127.0.0.1")
	for path, want := range map[string]error{"/away": ErrRedirect, "/round": ErrRedirect} {
		if _, err := c.Do(t.Context(), Request{Method: "GET", URL: s.URL + path, Retries: 3}); !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	r, err := c.Do(t.Context(), Request{Method: "POST", URL: s.URL + "/here", Body: "x=1"})
	if err != nil || string(r.Body) != "POST x=1" {
		t.Errorf("%v %q", err, r.Body)
	}
}

func TestBadAnswers(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless": // a gigabyte, and more
			chunk := []byte(strings.Repeat("x", 1<<16))
			for {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		case "/slow": // a byte now and then, for ever
			for r.Context().Err() == nil {
				fmt.Fprint(w, "x")
				w.(http.Flusher).Flush()
				select {
				case <-time.After(10 * time.Millisecond):
				case <-r.Context().Done():
				}
			}
		case "/never":
			<-r.Context().Done()
		}
	})
	c := client(t, "127.0.0.1")
	if _, err := c.Do(t.Context(), Request{Method: "GET", URL: s.URL + "/endless", MaxBytes: 1000, Retries: 5}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("endless: %v", err)
	}
	for _, path := range []string{"/slow", "/never"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := c.Do(ctx, Request{Method: "GET", URL: s.URL + path, Retries: 5}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", path, err)
		}
		cancel()
	}
}

func TestRetries(t *testing.T) {
	var n atomic.Int32
	keys := make(chan string, 10)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		keys <- r.Header.Get("Idempotency-Key")
		if n.Add(1) < 3 {
			w.WriteHeader(503)
			return
		}
		w.Header().Set("Content-Type", "Application/JSON; charset=utf-8")
		fmt.Fprint(w, "{}")
	})
	r, err := client(t, "127.0.0.1").Do(t.Context(), Request{Method: "POST", URL: s.URL, Retries: 2, Key: "k1"})
	if err != nil || r.Status != 200 || r.Type != "application/json" || n.Load() != 3 {
		t.Fatalf("%+v %v after %d", r, err, n.Load())
	}
	for range 3 {
		if k := <-keys; k != "k1" {
			t.Errorf("key %q", k)
		}
	}
	n.Store(0)
	if r, err := client(t, "127.0.0.1").Do(t.Context(), Request{Method: "GET", URL: s.URL}); err != nil || r.Status != 503 || n.Load() != 1 {
		t.Errorf("without retries: %+v %v, %d tries", r, err, n.Load())
	}
}

func TestErrorsNameNoSecret(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	c := client(t, "127.0.0.1")
	for _, r := range []Request{
		{Method: "GET", URL: "https://127.0.0.1:1/?key=hush"},
		{Method: "GET", URL: "http://nowhere.invalid/?key=hush"},
		{Method: "GET", URL: "http://a b/hush"},
		{Method: "GE T", URL: s.URL + "/hush"},
		{Method: "GET", URL: s.URL, Header: http.Header{"X-Key": {"hush\r\nEvil: yes"}}},
	} {
		if _, err := c.Do(t.Context(), r); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", r.URL, err)
		}
	}
}

func TestPick(t *testing.T) {
	doc := []byte(`{"name":"Ana","n":12345678901234567890.10,"vip":true,"none":null,"a/b":{"~":["x",{"y":1}]},"":"empty"}`)
	got, err := Pick(doc, []string{"/name", "/n", "/vip", "/none", "/gone", "/a~1b/~0/0", "/a~1b/~0/1", "/a~1b/~0/01", "/a~1b/~0/9", "/", "/name/x"})
	want := []string{"Ana", "12345678901234567890.10", "true", "", "", "x", `{"y":1}`, "", "", "empty", ""}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q %v", got, err)
	}
	for _, bad := range []string{"", "<html>", "{", "1 2", strings.Repeat("[", 100_000)} {
		if _, err := Pick([]byte(bad), []string{""}); !errors.Is(err, ErrJSON) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
}
