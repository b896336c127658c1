package stream

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/media"
)

// frames are n pieces of 20 ms at 8 kHz, of a tone or (hz 0) of nothing.
func frames(n int, hz float64) (out [][]int16) {
	for i := range n {
		if hz == 0 {
			out = append(out, make([]int16, media.FrameSamples))
		} else {
			out = append(out, sine(hz, i*media.FrameSamples, media.FrameSamples))
		}
	}
	return out
}

// TestCutter: an utterance has what was before its first voice, ends with a pause that
// is longer than those within it, or when nothing comes any more, and is never longer
// than its bound; a click is none.
func TestCutter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	c := cutter{rate: 8000}
	var got []time.Duration
	say := func(list ...[][]int16) {
		for _, l := range list {
			for _, f := range l {
				now = now.Add(20 * time.Millisecond)
				if said := c.put(now, f); said != nil {
					got = append(got, media.Duration(int64(len(said))))
				}
			}
		}
	}
	say(frames(100, 0), frames(2, 500), frames(50, 0)) // 40 ms: a click
	if len(got) != 0 || c.said != nil {
		t.Fatalf("a click is an utterance: %v", got)
	}
	say(frames(50, 500), frames(30, 0), frames(50, 500), frames(40, 0)) // a pause of 600 ms within
	want := (50+30+50+40)*20*time.Millisecond + preRoll - 60*time.Millisecond
	if len(got) != 1 || got[0] != want {
		t.Fatalf("%v, want %v", got, want)
	}
	say(frames(20, 500))
	if c.look(now.Add(endSilence-1)) != nil {
		t.Error("cut too early")
	}
	if said := c.look(now.Add(endSilence)); len(said) != 20*160 {
		t.Errorf("%d samples", len(said))
	}
	got = nil
	for range 40 { // words without end
		say(frames(20, 500), frames(5, 0))
	}
	if len(got) != 1 || got[0] != mostSpeech {
		t.Errorf("%v", got)
	}
}

// ear serves a recogniser and returns its URL.
func ear(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return srv.URL + "/hear?key=hidden"
}

// utter opens a recogniser and lets it hear a second of voice, and then silence or
// nothing.
func utter(t *testing.T, c *Client, url string, quiet bool) Result {
	t.Helper()
	s, ch := open(t, c, Options{URL: url, Direction: Listen, Rate: 16000, Language: "ro", Hints: []string{"vânzări", "да"}})
	base := time.Now()
	hear(s, base, Caller, 500, 0, 50)
	if quiet {
		for i := 50; i < 110; i++ {
			s.Hear(base.Add(time.Duration(i+1)*media.FrameDuration), uint8(Caller), false, 8000, uint32(i*media.FrameSamples), make([]int16, media.FrameSamples))
			if i%10 == 0 { // as the line does: else the oldest would be dropped
				time.Sleep(time.Millisecond)
			}
		}
	}
	return ch.ended(t)
}

func TestRecogniserByHTTP(t *testing.T) {
	for _, quiet := range []bool{true, false} {
		got := make(chan *http.Request, 1)
		body := make(chan []byte, 1)
		url := ear(t, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			got <- r
			body <- b
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			io.WriteString(w, `{"text": "două, vă rog", "confidence": 0.92, "more": [1]}`)
		})
		c := client(t, Config{Secret: []byte("0123456789abcdef")})
		if r := utter(t, c, url, quiet); r.Outcome != OutcomeEnded || r.Word != `{"text":"două, vă rog","confidence":0.92}` {
			t.Fatalf("%+v", r)
		}
		r, b := <-got, <-body
		if r.Method != "POST" || r.Header.Get("Content-Type") != "audio/wav" || r.Header.Get("Content-Language") != "ro" ||
			r.Header.Get("X-Centrala-Hints") != "v%C3%A2nz%C4%83ri%2C%D0%B4%D0%B0" || !strings.HasPrefix(r.Header.Get("X-Centrala-Signature"), "t=") {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		if len(b) < 44 || !bytes.HasPrefix(b, []byte("RIFF")) || binary.LittleEndian.Uint32(b[24:]) != 16000 || int(binary.LittleEndian.Uint32(b[40:])) != len(b)-44 {
			t.Fatalf("no WAV: %d bytes", len(b))
		}
		if ms := (len(b) - 44) / 32; ms < 900 || ms > 2300 {
			t.Errorf("%d ms", ms)
		}
	}
}

// Whatever the service does, the stream ends in its time, with a reason that holds no
// secret; the menu goes on with keys alone.
func TestRecogniserFaults(t *testing.T) {
	release := make(chan struct{})
	inside := ear(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	json := func(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/json") }
	for name, tc := range map[string]struct {
		f    http.HandlerFunc
		want string
	}{
		"refuses": {func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", 503) }, "answered 503"},
		"wrong type": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, `{"text":"one"}`)
		}, "no application/json"},
		"no JSON": {func(w http.ResponseWriter, r *http.Request) { json(w); io.WriteString(w, "one") }, "no JSON object"},
		"a gigabyte": {func(w http.ResponseWriter, r *http.Request) {
			json(w)
			for chunk, i := bytes.Repeat([]byte(" "), 1<<20), 0; i < 1<<10; i++ {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, "longer than 65536"},
		"never answers": {func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-release }, "time-out"},
		"never ends": {func(w http.ResponseWriter, r *http.Request) {
			json(w)
			io.WriteString(w, `{"text":`)
			w.(http.Flusher).Flush()
			<-release
		}, "time-out"},
		"redirects inside": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, inside, http.StatusTemporaryRedirect)
		}, "redirected"},
		"hangs up": {func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, "connection closed"},
	} {
		t.Run(name, func(t *testing.T) {
			url := ear(t, tc.f)
			if tc.want == "time-out" {
				defer func() { release <- struct{}{} }()
			}
			r := utter(t, client(t, Config{Stall: 700 * time.Millisecond}), url, true)
			if r.Outcome != OutcomeLost || !strings.Contains(r.Detail, tc.want) || strings.Contains(r.Detail, "hidden") {
				t.Errorf("%+v", r)
			}
		})
	}
	t.Run("inside", func(t *testing.T) {
		if r := utter(t, client(t, Config{Allow: []string{"192.0.2.1"}}), inside, true); r.Outcome != OutcomeLost || !strings.Contains(r.Detail, "not in media.stream.allow") {
			t.Errorf("%+v", r)
		}
	})
}

// A step that is left while the service thinks does not wait for it.
func TestRecogniserStopped(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	url := ear(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(asked)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	c := client(t, Config{Stall: time.Minute, Connect: time.Minute})
	s, ch := open(t, c, Options{URL: url, Direction: Listen, Rate: 16000})
	hear(s, time.Now(), Caller, 500, 0, 50)
	select {
	case <-asked:
	case <-time.After(10 * time.Second):
		t.Fatal("the service is not asked")
	}
	s.Stop("left")
	if r := ch.ended(t); r.Outcome != OutcomeStopped {
		t.Errorf("%+v", r)
	}
}

// What HTTP cannot do is refused before it begins.
func TestRecogniserOptions(t *testing.T) {
	c := client(t, Config{})
	for _, o := range []Options{{Direction: Both}, {Direction: Listen, Format: PCMU}, {Direction: Listen, Tracks: []Track{Caller, Agent}}, {Direction: Listen, Protocol: AudioSocket}} {
		o.ID, o.URL = "x", "https://ears.example.com/"
		if _, err := c.Open(o, func(Event) {}); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
