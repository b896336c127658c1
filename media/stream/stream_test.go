package stream

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/centrala/centrala/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sine is n samples at 8 kHz of a tone, from sample at.
func sine(hz float64, at, n int) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(at+i)/8000))
	}
	return pcm
}

// level is the power of a tone in pcm at rate, of all there is: 1 = only that.
func level(pcm []int16, hz, rate float64) float64 {
	var re, im, all float64
	for i, v := range pcm {
		s, c := math.Sincos(2 * math.Pi * hz * float64(i) / rate)
		re, im, all = re+float64(v)*c, im+float64(v)*s, all+float64(v)*float64(v)
	}
	if all == 0 {
		return 0
	}
	return 2 * (re*re + im*im) / (all * float64(len(pcm)))
}

// told collects a stream's events.
type told chan Event

func (c told) tell(e Event) { c <- e }

func (c told) ended(t *testing.T) Result {
	t.Helper()
	for {
		select {
		case e := <-c:
			if e, ok := e.(Ended); ok {
				return e.Result
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the stream does not end")
		}
	}
}

func client(t *testing.T, cfg Config) *Client {
	t.Helper()
	if cfg.Allow == nil {
		cfg.Allow = []string{"127.0.0.0/8"}
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
		if c.Len() != 0 {
			t.Errorf("%d streams are left", c.Len())
		}
	})
	return c
}

// robot serves WebSockets with f; its URL is returned.
func robot(t *testing.T, f func(ctx context.Context, r *http.Request, ws *websocket.Conn)) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"centrala-stream.v1"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer ws.CloseNow()
		ws.SetReadLimit(1 << 20)
		f(r.Context(), r, ws)
	}))
	t.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

func open(t *testing.T, c *Client, o Options) (*Stream, told) {
	t.Helper()
	if o.ID == "" {
		o.ID, o.Call = "s1", "019ab3c4-0000-7000-8000-000000000001"
	}
	ch := make(told, 64)
	s, err := c.Open(o, ch.tell)
	if err != nil {
		t.Fatal(err)
	}
	return s, ch
}

// hear gives n frames of a tone to a track.
func hear(s *Stream, base time.Time, track Track, hz float64, first, n int) {
	for i := first; i < first+n; i++ {
		at := i * media.FrameSamples
		s.Hear(base.Add(time.Duration(i+1)*media.FrameDuration), uint8(track), i == 0, 8000, uint32(at), sine(hz, at, media.FrameSamples))
	}
}

// listenUntil plays frames until n samples of sound have come.
func listenUntil(t *testing.T, s *Stream, n int) []int16 {
	t.Helper()
	var got []int16
	frame := make([]int16, media.FrameSamples)
	for until := time.Now().Add(10 * time.Second); len(got) < n; {
		if s.Speak(frame) {
			got = append(got, frame...)
			continue
		}
		if time.Now().After(until) {
			t.Fatalf("%d of %d samples came", len(got), n)
		}
		time.Sleep(time.Millisecond) // the socket's turn
	}
	return got
}

// TestEcho: what the caller says comes back through a machine that returns each frame.
func TestEcho(t *testing.T) {
	for _, row := range []Options{{}, {Rate: 16000}, {Format: PCMA}, {Format: PCMU}} {
		t.Run(fmt.Sprintf("%s %d", row.Format, row.Rate), func(t *testing.T) {
			row.URL = robot(t, func(ctx context.Context, _ *http.Request, ws *websocket.Conn) {
				for {
					kind, b, err := ws.Read(ctx)
					if err != nil {
						return
					}
					if kind == websocket.MessageBinary && ws.Write(ctx, kind, b) != nil {
						return
					}
				}
			})
			s, ch := open(t, client(t, Config{}), row)
			hear(s, s.out.began, Caller, 1000, 0, 50)
			got := listenUntil(t, s, 8000)
			if l := level(got[800:7200], 1000, 8000); l < 0.97 {
				t.Errorf("%.3f of what comes back is the caller's tone", l)
			}
			s.Stop("done")
			if r := ch.ended(t); r.Outcome != OutcomeStopped || r.Detail != "done" || r.Sent != 50 || r.Dropped != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestListener: a transcriber gets both tracks, each with its own tone, numbers without
// a hole, timestamps that show a pause.
func TestListener(t *testing.T) {
	type track struct {
		pcm  []int16
		next uint32
		seq  uint16
		gaps []uint32
	}
	result := make(chan map[Track]*track, 1)
	start := make(chan Message, 1)
	url := robot(t, func(ctx context.Context, r *http.Request, ws *websocket.Conn) {
		tracks := map[Track]*track{Caller: {}, Agent: {}}
		defer func() { result <- tracks }()
		for {
			kind, b, err := ws.Read(ctx)
			if err != nil {
				return
			}
			if kind == websocket.MessageText {
				var m Message
				if json.Unmarshal(b, &m); m.Type == "start" {
					start <- m
				} else if m.Type == "stop" {
					return
				}
				continue
			}
			f, sound, err := ParseFrame(b)
			if err != nil {
				t.Error(err)
				return
			}
			x := tracks[f.Track]
			if f.Seq != x.seq {
				t.Errorf("%s: number %d, want %d", f.Track, f.Seq, x.seq)
			}
			x.seq++
			if f.TS != x.next {
				x.gaps = append(x.gaps, f.TS-x.next)
			}
			x.next = f.TS + media.FrameSamples
			x.pcm = append(x.pcm, decode(PCM16, sound)...)
		}
	})
	s, ch := open(t, client(t, Config{}), Options{URL: url, Direction: Listen, Tracks: []Track{Caller, Agent}, From: "0722"})
	if m := <-start; m.From != "0722" || strings.Join(m.Tracks, " ") != "caller agent" || m.Rate != 8000 || m.Format != "pcm16" || m.Version != 1 {
		t.Errorf("start: %+v", m)
	}
	for i := range 60 { // both at once, as the worker does
		if i < 25 || i >= 35 { // the caller's phone falls silent for 10 frames
			hear(s, s.out.began, Caller, 700, i, 1)
		}
		hear(s, s.out.began, Agent, 1900, i, 1)
	}
	if s.Speak(make([]int16, 160)) {
		t.Error("a listener speaks")
	}
	s.Stop("over")
	tracks := <-result
	ch.ended(t)
	if l := level(tracks[Caller].pcm[:4000], 700, 8000); len(tracks[Caller].pcm) != 50*160 || l < 0.99 {
		t.Errorf("caller: %d samples, %.3f of it the tone", len(tracks[Caller].pcm), l)
	}
	if l := level(tracks[Agent].pcm, 1900, 8000); len(tracks[Agent].pcm) != 60*160 || l < 0.99 {
		t.Errorf("agent: %d samples, %.3f of it the tone", len(tracks[Agent].pcm), l)
	}
	if g := tracks[Caller].gaps; len(g) != 1 || g[0] != 1600 {
		t.Errorf("gaps of the caller: %v, want one of 1600", g)
	}
	if g := tracks[Agent].gaps; len(g) != 0 {
		t.Errorf("gaps of the agent: %v", g)
	}
}

// TestMarksAndClear: marks come back in order, each after its sound; after clear there
// is silence at once and what had not been heard is told as cleared.
func TestMarksAndClear(t *testing.T) {
	marks := make(chan Message, 16)
	clear := make(chan bool)
	url := robot(t, func(ctx context.Context, _ *http.Request, ws *websocket.Conn) {
		say := func(m string) { ws.Write(ctx, websocket.MessageText, []byte(m)) }
		sound := func(frames int) {
			for i := range frames {
				b := make([]byte, HeaderSize+320)
				encode(PCM16, b[HeaderSize:], sine(440, i*160, 160))
				ws.Write(ctx, websocket.MessageBinary, b)
			}
		}
		sound(10)
		say(`{"type":"mark","name":"one"}`)
		sound(10)
		say(`{"type":"mark","name":"two"}`)
		sound(500)
		say(`{"type":"mark","name":"three"}`)
		go func() {
			<-clear
			say(`{"type":"clear"}`)
			say(`{"type":"mark","name":"after"}`)
		}()
		for {
			_, b, err := ws.Read(ctx)
			if err != nil {
				return
			}
			var m Message
			if json.Unmarshal(b, &m); m.Type == "mark" {
				marks <- m
			}
			if m.Name == "after" {
				say(`{"type":"stop","result":"to_agent"}`)
				ws.Read(ctx)
				return
			}
		}
	})
	s, ch := open(t, client(t, Config{}), Options{URL: url, Direction: Speak})
	frame := make([]int16, 160)
	listenUntil(t, s, 10*160)
	select {
	case m := <-marks:
		t.Fatalf("%q came back before the frame after its sound", m.Name)
	default:
	}
	listenUntil(t, s, 11*160)
	want := func(name string, cleared bool) {
		t.Helper()
		select {
		case m := <-marks:
			if m.Name != name || m.Cleared != cleared {
				t.Errorf("mark %+v, want %q, cleared %v", m, name, cleared)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("mark %q did not come back", name)
		}
	}
	want("one", false)
	listenUntil(t, s, 2000)
	want("two", false)
	close(clear)
	// From the moment that clear is in, not one more frame is heard.
	for s.pending() > 0 {
		time.Sleep(time.Millisecond)
	}
	want("three", true)
	if s.Speak(frame) {
		t.Error("sound after clear")
	}
	want("after", false)
	if r := ch.ended(t); r.Outcome != OutcomeEnded || r.Word != "to_agent" {
		t.Errorf("%+v", r)
	}
}

func (s *Stream) pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.play.Samples()
}

// TestSlowPeer: a machine that does not read costs us the oldest frames, never a wait.
func TestSlowPeer(t *testing.T) {
	release := make(chan struct{})
	url := robot(t, func(ctx context.Context, _ *http.Request, ws *websocket.Conn) { <-release })
	defer close(release)
	s, ch := open(t, client(t, Config{Stall: 500 * time.Millisecond}), Options{URL: url, Rate: 16000})
	if e, ok := (<-ch).(Opened); !ok {
		t.Fatalf("%+v", e)
	}
	now, pcm := s.out.began, make([]int16, 2*media.FrameSamples)
	frames := uint64(0)
	for until := time.Now().Add(20 * time.Second); s.ctx.Err() == nil; {
		if time.Now().After(until) {
			t.Fatal("the stream does not end")
		}
		for range outboxFrames / 2 {
			now = now.Add(media.FrameDuration)
			s.Hear(now, 0, frames == 0, 16000, uint32(frames*media.FrameSamples), pcm)
			frames++
		}
		time.Sleep(time.Millisecond) // the writer's turn
	}
	r := ch.ended(t)
	if r.Outcome != OutcomeLost || r.Dropped == 0 || r.Sent+r.Dropped > frames || r.Sent+r.Dropped+outboxFrames < frames-outboxFrames {
		t.Errorf("%+v of %d", r, frames)
	}
}

// TestBadMachines: whatever a machine sends, the stream ends with a word and no memory
// goes with it.
func TestBadMachines(t *testing.T) {
	send := func(kind websocket.MessageType, b []byte) func(context.Context, *websocket.Conn) {
		return func(ctx context.Context, ws *websocket.Conn) { ws.Write(ctx, kind, b) }
	}
	for name, row := range map[string]struct {
		do   func(context.Context, *websocket.Conn)
		want string
	}{
		"no JSON":        {send(websocket.MessageText, []byte("hello")), OutcomeFault},
		"unknown type":   {send(websocket.MessageText, []byte(`{"type":"format_disk"}`)), OutcomeFault},
		"letters as key": {send(websocket.MessageText, []byte(`{"type":"dtmf","digits":"1;rm"}`)), OutcomeFault},
		"short frame":    {send(websocket.MessageBinary, []byte{0, 0, 1}), OutcomeFault},
		"large message":  {send(websocket.MessageBinary, make([]byte, MaxMessage+1)), OutcomeFault},
		"1 GB": {func(ctx context.Context, ws *websocket.Conn) {
			b := make([]byte, MaxMessage)
			for range 1 << 30 / MaxMessage {
				if ws.Write(ctx, websocket.MessageBinary, b) != nil {
					return
				}
			}
		}, OutcomeFault},
		"texts without end": {func(ctx context.Context, ws *websocket.Conn) {
			for range 1 << 20 {
				if ws.Write(ctx, websocket.MessageText, []byte(`{"type":"clear"}`)) != nil {
					return
				}
			}
		}, OutcomeFault},
		"marks without end": {func(ctx context.Context, ws *websocket.Conn) {
			ws.Write(ctx, websocket.MessageBinary, make([]byte, HeaderSize+320))
			for range 1 << 20 {
				if ws.Write(ctx, websocket.MessageText, []byte(`{"type":"mark","name":"x"}`)) != nil {
					return
				}
			}
		}, OutcomeFault},
		"vanishes": {func(_ context.Context, ws *websocket.Conn) { ws.CloseNow() }, OutcomeLost},
		"closes":   {func(_ context.Context, ws *websocket.Conn) { ws.Close(websocket.StatusNormalClosure, "") }, OutcomeEnded},
	} {
		t.Run(name, func(t *testing.T) {
			url := robot(t, func(ctx context.Context, _ *http.Request, ws *websocket.Conn) {
				row.do(ctx, ws)
				ws.Read(ctx)
				ws.Read(ctx)
			})
			s, ch := open(t, client(t, Config{}), Options{URL: url})
			r := ch.ended(t)
			if r.Outcome != row.want {
				t.Errorf("%+v, want %s", r, row.want)
			}
			if most := int(media.Samples(time.Minute)); s.pending() > most {
				t.Errorf("%d samples wait, at most %d", s.pending(), most)
			}
		})
	}
}

// TestRefused: what cannot be reached, or may not, is told at once and named without
// the query of its URL.
func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
			return
		}
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer web.Close()
	tlsWeb := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsWeb.Config.ErrorLog = log.New(io.Discard, "", 0)
	tlsWeb.StartTLS()
	defer tlsWeb.Close()
	host := strings.TrimPrefix(web.URL, "http://")
	for _, row := range []struct {
		url   string
		allow []string
		want  string
	}{
		{"ws://" + closed + "/?key=hunter2", nil, "refused"},
		{"ws://" + silent.Addr().String() + "/?key=hunter2", nil, "time-out"},
		{"ws://" + host + "/?key=hunter2", nil, "403"},
		{"ws://" + host + "/moved?key=hunter2", nil, "redirected"},
		{"ws://" + host + "/", []string{"192.0.2.1"}, "media.stream.allow"},
		{"tcp://" + closed, []string{"10.0.0.0/8"}, "media.stream.allow"},
		{"wss://" + strings.TrimPrefix(tlsWeb.URL, "https://"), nil, "certificate"},
		{"tls://" + strings.TrimPrefix(tlsWeb.URL, "https://"), nil, "certificate"},
		{"wss://" + strings.TrimPrefix(tlsWeb.URL, "https://"), []string{"localhost"}, "media.stream.allow"},
	} {
		patience := 10 * time.Second
		if row.want == "time-out" {
			patience = 100 * time.Millisecond
		}
		_, ch := open(t, client(t, Config{Allow: row.allow, Connect: patience}), Options{URL: row.url})
		r := ch.ended(t)
		if r.Outcome != OutcomeRefused || !strings.Contains(r.Detail, row.want) || strings.Contains(r.Detail, "hunter2") {
			t.Errorf("%s: %+v, want %q", row.url, r, row.want)
		}
	}
}

func TestLimitAndStop(t *testing.T) {
	url := robot(t, func(ctx context.Context, _ *http.Request, ws *websocket.Conn) {
		for {
			if _, _, err := ws.Read(ctx); err != nil {
				return
			}
		}
	})
	c := client(t, Config{Max: 1})
	_, ch := open(t, c, Options{URL: url})
	if _, err := c.Open(Options{URL: url}, func(Event) {}); err != ErrLimit {
		t.Errorf("%v, want %v", err, ErrLimit)
	}
	if err := c.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if r := ch.ended(t); r.Outcome != OutcomeStopped {
		t.Errorf("%+v", r)
	}
	if _, err := c.Open(Options{URL: url}, func(Event) {}); err != ErrStopped {
		t.Errorf("%v, want %v", err, ErrStopped)
	}
}

func TestSignedRequest(t *testing.T) {
	heads := make(chan http.Header, 1)
	url := robot(t, func(ctx context.Context, r *http.Request, ws *websocket.Conn) { heads <- r.Header })
	_, ch := open(t, client(t, Config{Secret: []byte("sesame")}), Options{URL: url})
	h := <-heads
	var unix int64
	fmt.Sscanf(h.Get("X-Centrala-Signature"), "t=%d,", &unix)
	want := Sign([]byte("sesame"), time.Unix(unix, 0), "s1", "019ab3c4-0000-7000-8000-000000000001", url)
	if got := h.Get("X-Centrala-Signature"); got != want || time.Since(time.Unix(unix, 0)).Abs() > time.Minute {
		t.Errorf("signature %q, want %q", got, want)
	}
	ch.ended(t)
}

// TestTCP: the same over TCP, ours and Asterisk's.
func TestTCP(t *testing.T) {
	for _, protocol := range []string{Native, AudioSocket} {
		t.Run(protocol, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var wg sync.WaitGroup
			kinds := map[byte]int{}
			wg.Go(func() {
				conn, err := l.Accept()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				r := bufio.NewReader(conn)
				for {
					kind, b, err := readPacket(r, nil)
					if err != nil {
						if err != io.EOF {
							t.Error(err)
						}
						return
					}
					kinds[kind]++
					if kind == packetUUID && fmt.Sprintf("%x", b) != "019ab3c4000070008000000000000001" {
						t.Errorf("uuid %x", b)
					}
					if kind == packetSlin || kind == packetFrame {
						conn.Write(appendPacket(nil, kind, b))
					}
				}
			})
			s, ch := open(t, client(t, Config{}), Options{URL: "tcp://" + l.Addr().String(), Protocol: protocol})
			hear(s, s.out.began, Caller, 900, 0, 30)
			if got := listenUntil(t, s, 4800); level(got[160:4640], 900, 8000) < 0.98 {
				t.Errorf("not the tone that was sent")
			}
			s.Key('5')
			s.Stop("over")
			if r := ch.ended(t); r.Outcome != OutcomeStopped {
				t.Errorf("%+v", r)
			}
			wg.Wait()
			want := map[byte]int{packetText: 3, packetFrame: 30}
			if protocol == AudioSocket {
				want = map[byte]int{packetUUID: 1, packetSlin: 30, packetDTMF: 1, packetEnd: 1}
			}
			if fmt.Sprint(kinds) != fmt.Sprint(want) {
				t.Errorf("packets by type %v, want %v", kinds, want)
			}
		})
	}
}

// TestMixed: both sides in one track, also when one falls silent.
func TestMixed(t *testing.T) {
	now := time.Unix(1000, 0)
	o := newOutbox(PCM16, 8000, true, now)
	for i := range 50 {
		at := i * 160
		now = now.Add(20 * time.Millisecond)
		o.put(now, Caller, i == 0, 8000, uint32(at), sine(600, at, 160))
		if i < 25 {
			o.put(now, Agent, i == 0, 8000, uint32(at), sine(1500, at, 160))
		}
	}
	var pcm []int16
	for b := o.take(nil); b != nil; b = o.take(nil) {
		f, sound, err := ParseFrame(b)
		if err != nil || f.Track != Mixed || int(f.TS) != len(pcm) {
			t.Fatalf("%+v after %d samples, %v", f, len(pcm), err)
		}
		pcm = append(pcm, decode(PCM16, sound)...)
	}
	if len(pcm) < 47*160 {
		t.Fatalf("%d samples", len(pcm))
	}
	if a, b := level(pcm[:4000], 600, 8000), level(pcm[:4000], 1500, 8000); math.Abs(a-0.5) > 0.02 || math.Abs(b-0.5) > 0.02 {
		t.Errorf("%.3f and %.3f of the mix are the two tones", a, b)
	}
	if a := level(pcm[4160:], 600, 8000); a < 0.99 {
		t.Errorf("%.3f of the rest is the caller", a)
	}
}

func TestPlayoutBounds(t *testing.T) {
	p := NewPlayout(1000)
	if d := p.Put(make([]int16, 900)); d != 0 {
		t.Errorf("%d dropped", d)
	}
	if d := p.Put(make([]int16, 900)); d != 800 || p.Samples() != 1000 {
		t.Errorf("%d dropped, %d wait", d, p.Samples())
	}
	for i := range maxMarks {
		if !p.Mark("m") {
			t.Fatalf("mark %d refused", i)
		}
	}
	if p.Mark("m") {
		t.Error("marks without bound")
	}
	n := 0
	p.Clear(func(string) { n++ })
	if n != maxMarks || p.Samples() != 0 || !p.Mark("again") {
		t.Errorf("%d marks, %d samples after clear", n, p.Samples())
	}
	// Less than a frame is heard when nothing more comes, after 3 ticks.
	p = NewPlayout(1000)
	p.Put([]int16{7, 7, 7})
	frame := make([]int16, 160)
	for tick, want := range []bool{false, false, true, false} {
		if got := p.Next(frame, nil); got != want {
			t.Errorf("tick %d: %v", tick, got)
		}
	}
}

// FuzzCommand: whatever text comes, what is taken is within its bounds.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{`{"type":"clear"}`, `{"type":"mark","name":"a"}`, `{"type":"stop","result":"x\u0000"}`, `{"type":"dtmf","digits":"12#"}`, `[]`, `{"type":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseCommand(b)
		if err != nil {
			if m.Type != "" {
				t.Fatalf("%+v with %v", m, err)
			}
			return
		}
		if len(m.Name) > maxText || len(m.Result) > maxText || len(m.Digits) > maxKeys || strings.ContainsAny(m.Result, "\n\x00\x7f") {
			t.Fatalf("%+v", m)
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseCommand(again); err != nil || fmt.Sprint(back) != fmt.Sprint(m) {
			t.Fatalf("%+v became %+v, %v", m, back, err)
		}
	})
}

// FuzzWire: a stream of packets that is read, written again, is the same; frames too.
func FuzzWire(f *testing.F) {
	f.Add(appendPacket(nil, packetFrame, make([]byte, 20)))
	f.Add(appendPacket(appendPacket(nil, packetUUID, make([]byte, 16)), packetSlin, nil))
	f.Add([]byte{0x10, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := strings.NewReader(string(b))
		var again, buf []byte
		for {
			kind, payload, err := readPacket(r, buf)
			if err != nil {
				break
			}
			again = appendPacket(again, kind, payload)
			if h, sound, err := ParseFrame(payload); err == nil {
				var head [HeaderSize]byte
				h.Put(head[:])
				if back, _, err := ParseFrame(head[:]); err != nil || back != h || len(sound) != len(payload)-HeaderSize {
					t.Fatalf("%+v became %+v", h, back)
				}
			}
			buf = payload
		}
		if !strings.HasPrefix(string(b), string(again)) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}

func BenchmarkHear(b *testing.B) {
	s := newStream(&Client{cfg: Config{Playout: time.Minute}}, Options{Format: PCM16, Rate: 8000, Tracks: []Track{Caller}}, func(Event) {}, time.Now())
	pcm := sine(500, 0, 160)
	now := time.Now()
	b.ReportAllocs()
	for i := range b.N {
		now = now.Add(20 * time.Millisecond)
		s.Hear(now, 0, i == 0, 8000, uint32(i*160), pcm)
	}
}
