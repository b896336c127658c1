package app_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrala/centrala/media/play"
	"github.com/coder/websocket"

	"github.com/centrala/centrala/media/speech"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/app"
	"github.com/centrala/centrala/pkg/config"
	"github.com/centrala/centrala/pkg/load/robot"
)

const speakingFlow = `
kind: flow
name: speak
spec:
  start: greet
  steps:
    greet:
      say: {text: "The weather is fine today.", fallback: sorry, interrupt: false}
      next: end
    end: {hangup: normal}
---
kind: number
name: speak
spec: {digits: "1009", flow: speak}
`

// speaking is a node with that engine and anna's phone.
func speaking(t *testing.T, change func(*config.Config)) (*office, *desk) {
	t.Helper()
	t.Parallel()
	n := prepare(t)
	n.make(change)
	n.start()
	o := &office{node: n}
	if _, err := o.apply(speakingFlow, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	var err error
	if o.media, err = robot.NewMedia(robot.MediaConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.media.Close)
	return o, o.desk(anna, annaTone)
}

// hearsAll calls and returns how much sound was heard until the flow hung up: of
// samples above a whisper from the first to the last, and their RMS; and how long
// it was silent before.
func (o *office) hearsAll(d *desk) (sound, before time.Duration, rms float64) {
	o.t.Helper()
	c := o.call(d, "1009")
	o.over(c)
	pcm := c.Leg().Since(0)
	first, last, sum := -1, 0, 0.0
	for i, v := range pcm {
		if v > 200 || v < -200 {
			if first < 0 {
				first = i
			}
			last = i
		}
		sum += float64(v) * float64(v)
	}
	if first < 0 {
		o.t.Fatalf("nothing is heard in %d samples", len(pcm))
	}
	at := func(n int) time.Duration { return time.Duration(n) * time.Second / 8000 }
	return at(last - first), at(first), math.Sqrt(sum / float64(last-first))
}

// A caller hears what espeak-ng says, and the second hears the same from the cache,
// also after a restart.
func TestCallerHearsASpokenText(t *testing.T) {
	if _, err := exec.LookPath("espeak-ng"); err != nil {
		t.Skip("espeak-ng is not on this machine")
	}
	o, phone := speaking(t, func(c *config.Config) {
		c.Speech.Engine, c.Speech.Wait = "espeak", config.Duration(20*time.Second)
		c.Speech.Timeout = config.Duration(20 * time.Second)
	})
	long, _, rms := o.hearsAll(phone)
	if long < time.Second || long > 10*time.Second || rms < 500 {
		t.Errorf("heard %v at an RMS of %.0f", long, rms)
	}
	again, _, _ := o.hearsAll(phone)
	if d := again - long; d.Abs() > 100*time.Millisecond {
		t.Errorf("heard %v, and then %v", long, again)
	}
	if e, m := o.value("centrala_speech_texts_total", "engine"), o.value("centrala_speech_texts_total", "memory"); e != 1 || m != 1 {
		t.Errorf("made %v times, %v from memory", e, m)
	}
	files, _ := filepath.Glob(filepath.Join(o.cfg.SpeechDir(), "*.sound"))
	if len(files) != 1 {
		t.Fatalf("cache: %v", files)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if clip, err := play.Load(f, "cached"); err != nil || (clip.Duration()-long).Abs() > 1500*time.Millisecond {
		t.Errorf("the cache holds %v of the %v heard: %v", clip, long, err)
	}
}

// A service that hangs costs the caller speech.wait; then the fallback is heard.
func TestSlowSpeechIsNotWaitedFor(t *testing.T) {
	var asked atomic.Int32
	gate := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1); r.Header.Get("Authorization") != "Bearer t0ken" {
			w.WriteHeader(401)
			return
		}
		<-gate
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(gate) })
	secret := filepath.Join(t.TempDir(), "token")
	os.WriteFile(secret, []byte("t0ken\n"), 0o600)
	o, phone := speaking(t, func(c *config.Config) {
		c.Speech.Engine, c.Speech.Wait = "http", config.Duration(500*time.Millisecond)
		c.Speech.Timeout = config.Duration(2 * time.Second)
		c.Speech.HTTP = config.SpeechHTTP{URL: srv.URL + "/?text={text}", Headers: []config.SpeechHeader{{Name: "Authorization", Value: "Bearer ", File: secret}}}
	})
	began := time.Now()
	long, _, _ := o.hearsAll(phone)
	if long < 500*time.Millisecond || time.Since(began) > 15*time.Second || asked.Load() != 1 {
		t.Errorf("the fallback lasts %v, the call %v, the service was asked %d times", long, time.Since(began), asked.Load())
	}
	o.eventually("the service's time-out", func() bool { return o.value("centrala_speech_texts_total", "failed") == 1 })
}

// A caller hears what a service sends in pieces over a WebSocket.
func TestCallerHearsAStreamedText(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{speech.WebSocketProtocol}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		if _, _, err := c.Read(r.Context()); err != nil {
			return
		}
		for piece := range 50 { // 2 s at 16 kHz
			b := make([]byte, 0, 1280)
			for i := range 640 {
				v := int16(8000 * math.Sin(2*math.Pi*500*float64(piece*640+i)/16000))
				b = binary.LittleEndian.AppendUint16(b, uint16(v))
			}
			if c.Write(r.Context(), websocket.MessageBinary, b) != nil {
				return
			}
		}
		_ = c.Write(r.Context(), websocket.MessageText, []byte(`{"type":"done"}`))
		_, _, _ = c.Read(r.Context())
	}))
	t.Cleanup(srv.Close)
	o, phone := speaking(t, func(c *config.Config) {
		c.Speech.Engine, c.Speech.Wait, c.Speech.Timeout = "websocket", config.Duration(20*time.Second), config.Duration(20*time.Second)
		c.Speech.WebSocket.URL = "ws" + strings.TrimPrefix(srv.URL, "http")
	})
	if long, _, rms := o.hearsAll(phone); long < 1900*time.Millisecond || long > 2100*time.Millisecond || rms < 500 {
		t.Errorf("heard %v at an RMS of %.0f", long, rms)
	}
}

func TestCheckSpeech(t *testing.T) {
	for want, change := range map[string]func(*config.Speech){
		"":                      func(s *config.Speech) {},
		"speech.espeak.program": func(s *config.Speech) { s.Engine, s.Espeak.Program = "espeak", "no-such-program-here" },
		"speech.websocket: ":    func(s *config.Speech) { s.Engine, s.WebSocket.URL = "websocket", "https://x/" },
		"speech.http: ":         func(s *config.Speech) { s.Engine, s.HTTP.URL = "http", "ftp://x/" },
		"speech.http.headers[0]": func(s *config.Speech) {
			s.Engine, s.HTTP = "http", config.SpeechHTTP{URL: "http://x/", Headers: []config.SpeechHeader{{Name: "A", Env: "NO_SUCH_SECRET"}}}
		},
	} {
		c := config.Default()
		change(&c.Speech)
		if err := app.CheckSpeech(c); (err == nil) != (want == "") || !strings.Contains(fmt.Sprint(err), want) && want != "" {
			t.Errorf("%q: %v", want, err)
		}
	}
}
