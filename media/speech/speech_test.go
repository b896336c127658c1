package speech

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/centrala/centrala/media/play"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sound is a WAV file of n samples at 8 kHz, of one value.
func sound(n int, v int16) []byte {
	le := binary.LittleEndian
	b := append([]byte("RIFF\xff\xff\xff\xffWAVEfmt "), le.AppendUint32(nil, 16)...)
	for _, x := range []uint16{1, 1} {
		b = le.AppendUint16(b, x)
	}
	b = le.AppendUint32(le.AppendUint32(b, 8000), 16000)
	b = append(le.AppendUint16(le.AppendUint16(b, 2), 16), "data"...)
	b = le.AppendUint32(b, uint32(2*n))
	for i := range n { // a tone: a constant has no loudness
		b = le.AppendUint16(b, uint16(int16(float64(v)*math.Sin(float64(i)*0.7))))
	}
	return b
}

// fake says 100 samples for each byte of the text.
type fake struct {
	calls atomic.Int32
	gate  chan struct{} // nil = at once
	fault error
}

func (f *fake) Name() string { return "fake" }
func (f *fake) Speak(ctx context.Context, r Request) (io.ReadCloser, error) {
	f.calls.Add(1)
	if f.gate != nil {
		select {
		case <-f.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return io.NopCloser(bytes.NewReader(sound(100*len(r.Text), 8000))), f.fault
}

func speaker(t *testing.T, e Engine, dir string, limit int64) *Speaker {
	t.Helper()
	s, err := New(Config{Engine: e, Dir: dir, MaxBytes: limit, Timeout: 10 * time.Second, Parallel: 2,
		Library: play.NewLibrary(1<<20, 0), Log: zap.NewNop(), Registerer: prometheus.NewRegistry(), Voices: map[string]string{"en": "amy"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

func TestTextIsMadeOnceAndKept(t *testing.T) {
	dir, e := t.TempDir(), &fake{gate: make(chan struct{})}
	s := speaker(t, e, dir, 1<<20)
	clips := make([]*play.Clip, 20)
	var wg sync.WaitGroup
	for i := range clips {
		wg.Go(func() { clips[i], _ = s.Say(t.Context(), "good  morning\n", "en") })
	}
	close(e.gate)
	wg.Wait()
	for _, c := range clips {
		if c == nil || c != clips[0] || len(c.PCM()) != 100*len("good morning") {
			t.Fatalf("not one clip of 1,200 samples: %v", c)
		}
	}
	if e.calls.Load() != 1 {
		t.Errorf("the engine spoke %d times", e.calls.Load())
	}
	if s.Ready("good morning", "en") != clips[0] || s.Ready("good morning", "ro") != nil || s.Ready("good evening", "en") != nil {
		t.Error("Ready")
	}
	// After a restart it comes from the disk; a part of a killed process is gone.
	os.WriteFile(filepath.Join(dir, "x.part"), []byte("half"), 0o600)
	again := speaker(t, e, dir, 1<<20)
	if c, err := again.Say(t.Context(), "good morning", "en"); err != nil || len(c.PCM()) != 1200 || e.calls.Load() != 1 {
		t.Error(c, err, e.calls.Load())
	}
	if _, err := os.Stat(filepath.Join(dir, "x.part")); err == nil {
		t.Error("a part is left")
	}
	if got := testutil.ToFloat64(again.metrics.asked[fromDisk]); got != 1 {
		t.Error("from disk:", got)
	}
	// A damaged file is made again.
	files, _ := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if len(files) != 1 {
		t.Fatal(files)
	}
	os.WriteFile(files[0], []byte("RIFF and no more"), 0o600)
	if c, err := speaker(t, e, dir, 1<<20).Say(t.Context(), "good morning", "en"); err != nil || len(c.PCM()) != 1200 || e.calls.Load() != 2 {
		t.Error("damaged:", c, err, e.calls.Load())
	}
	if b, _ := os.ReadFile(files[0]); !bytes.Equal(b, sound(1200, 8000)) {
		t.Error("the damaged file stays")
	}
}

func TestDiskKeepsWhatIsAskedFor(t *testing.T) {
	dir, e := t.TempDir(), &fake{}
	one := int64(len(sound(100, 0)))
	s := speaker(t, e, dir, 3*one)
	for _, text := range []string{"a", "b", "c"} {
		if _, err := s.Say(t.Context(), text, "en"); err != nil {
			t.Fatal(err)
		}
	}
	s.cfg.Library.Purge()
	if _, err := s.Say(t.Context(), "a", "en"); err != nil || e.calls.Load() != 3 {
		t.Fatal("a is not on the disk:", err)
	}
	s.Say(t.Context(), "d", "en") // pushes b out
	s.cfg.Library.Purge()
	for text, made := range map[string]int32{"a": 4, "c": 4, "d": 4} {
		if s.Say(t.Context(), text, "en"); e.calls.Load() != made {
			t.Errorf("%s is not on the disk", text)
		}
	}
	if s.disk.bytes() != 3*one {
		t.Errorf("%d bytes, want %d", s.disk.bytes(), 3*one)
	}
	s.Say(t.Context(), "b", "en")
	if e.calls.Load() != 5 {
		t.Error("b was kept")
	}
	s.Say(t.Context(), strings.Repeat("long ", 40), "en") // larger than the folder
	if files, _ := os.ReadDir(dir); len(files) != 3 {
		t.Errorf("%d files", len(files))
	}
}

func TestWhoWaitsIsBoundedAndTheTextMadeAllTheSame(t *testing.T) {
	e := &fake{gate: make(chan struct{})}
	s := speaker(t, e, t.TempDir(), 1<<20)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Say(gone, "hello", "en"); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(e.gate)
	if c, err := s.Say(t.Context(), "hello", "en"); err != nil || len(c.PCM()) != 500 {
		t.Error(c, err)
	}
	if e.calls.Load() != 1 {
		t.Error("made twice")
	}
}

func TestTooManyTextsAreRefused(t *testing.T) {
	e := &fake{gate: make(chan struct{})}
	s := speaker(t, e, t.TempDir(), 1<<20)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range maxWaiting {
		s.Say(gone, strings.Repeat("x", i+1), "en")
	}
	if _, err := s.Say(t.Context(), "one more", "en"); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	s.Close(t.Context()) // with all of them waiting for the engine
	if _, err := s.Say(t.Context(), "later", "en"); !errors.Is(err, ErrBusy) {
		t.Error("after Close:", err)
	}
}

func TestFaultsAreToldAndNotKept(t *testing.T) {
	boom := errors.New("boom")
	e := &fake{fault: boom}
	s := speaker(t, e, t.TempDir(), 1<<20)
	for range 2 {
		if _, err := s.Say(t.Context(), "hello", "en"); !errors.Is(err, boom) {
			t.Error(err)
		}
	}
	if e.calls.Load() != 2 || s.disk.bytes() != 0 {
		t.Error("a fault was kept")
	}
	for _, text := range []string{"", " \n", "[[", "\x00\x01", strings.Repeat("ы", MaxText+1), strings.Repeat("x", 1<<20)} {
		if _, err := s.Say(t.Context(), text, "en"); !errors.Is(err, ErrText) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if _, err := s.Say(t.Context(), "hello", "../en"); !errors.Is(err, ErrText) {
		t.Error(err)
	}
}

func TestNoEngine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "speech")
	s := speaker(t, nil, dir, 1<<20)
	if _, err := s.Say(t.Context(), "hello", "en"); !errors.Is(err, ErrNoEngine) || s.Ready("hello", "en") != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a folder for nothing")
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"Bună  ziua,\tIon\r\n": "Bună ziua, Ion",
		"[[h@'loU]] you":       "h@'loU you",
		"<break/> a & b":       "break/ a & b",
		"a\x1b[2Jb\xffc":       "a 2Jbc",
		"-f /etc/passwd":       "-f /etc/passwd",
	} {
		if got, err := Clean(in); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestHTTP(t *testing.T) {
	var got *http.Request
	var body []byte
	answer := func(w http.ResponseWriter) { w.Write(sound(160, 1000)) }
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		answer(w)
	}))
	defer srv.Close()
	text := `Say "hi" & <go> {voice} 100% #1`
	for _, tt := range []struct{ name, path, body string }{
		{"get", "/tts?q={text}&l={language}&v={voice}", ""},
		{"post", "/speak", `{"input": "{text}", "lang": "{language}", "voice": "{voice}"}`},
	} {
		h, err := NewHTTP(HTTPConfig{URL: srv.URL + tt.path, Body: tt.body, Headers: map[string]string{"Authorization": "Bearer s3cret"}})
		if err != nil {
			t.Fatal(tt.name, err)
		}
		rc, err := h.Speak(t.Context(), Request{Text: text, Language: "en", Voice: `a"b`})
		if err != nil {
			t.Fatal(tt.name, err)
		}
		if b, _ := io.ReadAll(rc); !bytes.Equal(b, sound(160, 1000)) {
			t.Error(tt.name, "sound differs")
		}
		said, voice := got.URL.Query().Get("q"), got.URL.Query().Get("v")
		if tt.body != "" {
			var v map[string]string
			if err := json.Unmarshal(body, &v); err != nil || got.Method != "POST" {
				t.Fatal(tt.name, got.Method, err, string(body))
			}
			said, voice = v["input"], v["voice"]
		}
		if said != text || voice != `a"b` || got.Header.Get("Authorization") != "Bearer s3cret" {
			t.Errorf("%s: %q, %q", tt.name, said, voice)
		}
		h.Close()
	}
	h, _ := NewHTTP(HTTPConfig{URL: srv.URL})
	defer h.Close()
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter)
		want   string
	}{
		"status":   {func(w http.ResponseWriter) { w.WriteHeader(429) }, "429"},
		"redirect": {func(w http.ResponseWriter) { w.Header().Set("Location", "http://127.0.0.1:1/"); w.WriteHeader(302) }, "302"},
		"too large": {func(w http.ResponseWriter) {
			for b := make([]byte, 1<<20); ; {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		}, "too large"},
	} {
		answer = tt.answer
		if _, err := h.Speak(t.Context(), Request{Text: "x"}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A service that never answers costs the time-out and no more.
	block := make(chan struct{})
	answer = func(http.ResponseWriter) { <-block }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := h.Speak(ctx, Request{Text: "private words"}); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "private") {
		t.Error(err)
	}
	close(block)
	for _, bad := range []HTTPConfig{{URL: "file:///etc/passwd"}, {URL: "http://{voice}.example.com/"}, {URL: "https:///x"}, {URL: srv.URL, Body: `{"input": {text}}`}} {
		if _, err := NewHTTP(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestHTTPVerifiesCertificates(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(sound(160, 0)) }))
	srv.Config.ErrorLog = nil
	defer srv.Close()
	h, err := NewHTTP(HTTPConfig{URL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if _, err := h.Speak(t.Context(), Request{Text: "x"}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}

func TestEspeak(t *testing.T) {
	if _, err := exec.LookPath("espeak-ng"); err != nil {
		t.Skip("espeak-ng is not on this machine")
	}
	e, err := NewEspeak("", 160)
	if err != nil {
		t.Fatal(err)
	}
	s := speaker(t, e, t.TempDir(), 1<<22)
	s.cfg.Voices = map[string]string{"en": "en-us"}
	for lang, text := range map[string]string{"en": "Your order number 42 is ready.", "ro": "Bună ziua, comanda este gata.", "ru": "Ваш заказ готов."} {
		c, err := s.Say(t.Context(), text, lang)
		if err != nil {
			t.Fatal(lang, err)
		}
		var sum float64
		for _, v := range c.PCM() {
			sum += float64(v) * float64(v)
		}
		rms := math.Sqrt(sum / float64(len(c.PCM())))
		if d := c.Duration(); d < time.Second || d > 6*time.Second || rms < 300 {
			t.Errorf("%s: %v at an RMS of %.0f", lang, d, rms)
		}
	}
	// What looks like an option is spoken, not obeyed.
	if c, err := s.Say(t.Context(), "--version", "en"); err != nil || c.Duration() < 500*time.Millisecond {
		t.Error(c, err)
	}
	s.cfg.Voices = map[string]string{"en": "zz"}
	if _, err := s.Say(t.Context(), "hello", "en"); err == nil || !strings.Contains(err.Error(), "zz") {
		t.Error(err)
	}
}

// script is a program that stands in for espeak-ng.
func script(t *testing.T, body string) *Espeak {
	t.Helper()
	path := filepath.Join(t.TempDir(), "speak")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	e, err := NewEspeak(path, 160)
	if err != nil {
		t.Skip(err) // no /bin/sh
	}
	return e
}

func TestProgramIsBounded(t *testing.T) {
	if _, err := script(t, "exec cat /dev/zero").Speak(t.Context(), Request{Text: "x", Language: "en"}); !errors.Is(err, ErrTooLarge) {
		t.Error("endless:", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := script(t, "exec sleep 600").Speak(ctx, Request{Text: "x", Language: "en"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("hanging:", err)
	}
	if _, err := script(t, "echo no voice >&2; exit 3").Speak(t.Context(), Request{Text: "x", Language: "en"}); err == nil || !strings.Contains(err.Error(), "no voice") {
		t.Error("failing:", err)
	}
	if _, err := script(t, "exit 0").Speak(t.Context(), Request{Text: "x", Language: "en"}); err == nil {
		t.Error("silent: no error")
	}
	if _, err := NewEspeak("no-such-program-here", 160); err == nil || !strings.Contains(err.Error(), "install") {
		t.Error(err)
	}
}
