package music

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/play"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// station sends a WAV without an end, 20 ms each 20 ms, until it is told to fail.
type station struct {
	hz    float64
	level float64
	n     int
	head  []byte
	ctx   context.Context
	until time.Duration // it breaks after so much sound; 0 = never
}

func newStation(ctx context.Context, hz, level float64, until time.Duration) *station {
	h := make([]byte, 44)
	copy(h, "RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	binary.LittleEndian.PutUint32(h[24:], 16000)
	binary.LittleEndian.PutUint32(h[28:], 32000)
	copy(h[32:], "\x02\x00\x10\x00data\xff\xff\xff\xff")
	return &station{hz: hz, level: level, head: h, ctx: ctx, until: until}
}

func (s *station) Read(p []byte) (int, error) {
	if len(s.head) > 0 {
		n := copy(p, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	if s.until > 0 && time.Duration(s.n)*time.Second/16000 >= s.until {
		return 0, errors.New("the line broke")
	}
	n := min(len(p)/2, 320)
	select {
	case <-time.After(time.Duration(n) * time.Second / 16000):
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	}
	for i := range n {
		binary.LittleEndian.PutUint16(p[2*i:], uint16(int16(s.level*math.Sin(2*math.Pi*s.hz*float64(s.n)/16000))))
		s.n++
	}
	return 2 * n, nil
}

func (s *station) Close() error { return nil }

func tone(hz, level float64, d time.Duration) *play.Clip {
	pcm := make([]int16, int(d.Seconds()*8000))
	for i := range pcm {
		pcm[i] = int16(level * math.Sin(2*math.Pi*hz*float64(i)/8000))
	}
	return play.NewClip("tone", pcm)
}

// level is the amplitude of hz in pcm at 8 kHz.
func level(pcm []int16, hz float64) float64 {
	var re, im float64
	for i, v := range pcm {
		w := 2 * math.Pi * hz * float64(i) / 8000
		re, im = re+float64(v)*math.Cos(w), im+float64(v)*math.Sin(w)
	}
	return 2 * math.Hypot(re, im) / float64(len(pcm))
}

func start(t *testing.T, c Config) (*Source, *Metrics) {
	t.Helper()
	m := NewMetrics(prometheus.NewRegistry())
	s, err := Start(c, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s, m
}

// listen hears d in A-law, and counts the frames in which there was nothing.
func listen(s *Source, at *uint64, d time.Duration) (pcm []int16, nothing int) {
	for range d / frame {
		time.Sleep(frame)
		b := s.Clip().Live().Code(at, codec.PCMA)
		if b == nil {
			nothing++
			b = make([]byte, 160)
			for i := range b {
				b[i] = codec.Silence(codec.PCMA)
			}
		}
		var x [160]int16
		codec.Decode(codec.PCMA, x[:], b)
		pcm = append(pcm, x[:]...)
	}
	synctest.Wait() // what the source told is there to be read
	return pcm, nothing
}

// TestOneBroadcastForAll: whoever hears it hears the same octets, of one connection
// that is there only while somebody listens.
func TestOneBroadcastForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened, closed := 0, 0
		s, _ := start(t, Config{Name: "radio", Open: func(ctx context.Context) (io.ReadCloser, error) {
			opened++
			context.AfterFunc(ctx, func() { closed++ })
			return newStation(ctx, 440, 8000, 0), nil
		}})
		time.Sleep(time.Hour)
		synctest.Wait()
		if opened != 0 {
			t.Fatal("connected without a listener")
		}
		var a, b, g, o uint64
		listen(s, &a, 2*time.Second)
		l := s.Clip().Live()
		wide, opus := 0, 0
		for range 100 {
			time.Sleep(frame)
			x, y := l.Code(&a, codec.PCMA), l.Code(&b, codec.PCMA)
			if x != nil && y != nil && a == b && &x[0] != &y[0] {
				t.Fatal("encoded twice for one codec")
			}
			if p := l.Code(&g, codec.G722); len(p) == 160 {
				wide++
			}
			if p := l.Code(&o, codec.Opus); len(p) > 2 {
				opus++
			}
		}
		if wide < 95 || opus < 95 {
			t.Errorf("of 100 frames %d in G.722, %d in Opus", wide, opus)
		}
		pcm, nothing := listen(s, &b, time.Second)
		if x := level(pcm, 440); nothing > 0 || x < 7000 || x > 9000 {
			t.Errorf("440 Hz at %.0f, %d frames of nothing", x, nothing)
		}
		if opened != 1 {
			t.Errorf("%d connections", opened)
		}
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if closed != 1 {
			t.Error("still connected 40 s after the last listener")
		}
		listen(s, &a, 3*time.Second)
		if pcm, _ = listen(s, &a, time.Second); opened != 2 || level(pcm, 440) < 7000 {
			t.Errorf("not heard again: %d connections, 440 Hz at %.0f", opened, level(pcm, 440))
		}
	})
}

// TestFallback: while a broadcast is away its fallback is heard, without a gap or a
// click on either way, and it is asked for with growing pauses.
func TestFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened []time.Time
		var away atomic.Bool
		away.Store(true)
		s, _ := start(t, Config{Name: "radio", Fallback: func() *play.Clip { return tone(1000, 5000, 3*time.Second) },
			Open: func(ctx context.Context) (io.ReadCloser, error) {
				opened = append(opened, time.Now())
				if away.Load() {
					return nil, errors.New("nobody there")
				}
				return newStation(ctx, 300, 8000, 20*time.Second), nil
			}})
		at := uint64(0)
		listen(s, &at, time.Second)
		down, nothing := listen(s, &at, 40*time.Second)
		if x := level(down[8000:16000], 1000); x < 4500 || nothing > 0 {
			t.Errorf("fallback at %.0f, %d frames of nothing", x, nothing)
		}
		for i := 2; i < len(opened); i++ {
			least := min(firstPause<<(i-1), mostPause) / 2
			if d := opened[i].Sub(opened[i-1]); d < least {
				t.Errorf("attempt %d after %v, want at least %v", i, d, least)
			}
		}
		if len(opened) < 5 || len(opened) > 8 {
			t.Errorf("%d attempts in 40 s", len(opened))
		}
		away.Store(false)
		all, nothing := listen(s, &at, 75*time.Second)
		first, second, steps := false, false, 0
		for i := 0; i+1600 <= len(all); i += 1600 {
			radio, other := level(all[i:i+1600], 300), level(all[i:i+1600], 1000)
			first = first || radio > 7000
			second = second || first && other > 4500
			if radio+other < 2000 {
				t.Fatalf("a gap at %v", time.Duration(i)*time.Second/8000)
			}
		}
		for i := 1; i < len(all); i++ {
			// The steepest of either tone, and the steps of A-law.
			if d := int(all[i]) - int(all[i-1]); d > 4800 || d < -4800 {
				steps++
			}
		}
		if !first || !second || nothing > 0 || steps > 0 {
			t.Errorf("heard %v, and the fallback behind it %v; %d frames of nothing, %d clicks", first, second, nothing, steps)
		}
	})
}

// TestSilentStation: one that says nothing counts as gone.
func TestSilentStation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		s, _ := start(t, Config{Name: "radio", Open: func(ctx context.Context) (io.ReadCloser, error) {
			opened++
			r, w := io.Pipe()
			context.AfterFunc(ctx, func() { w.CloseWithError(context.Cause(ctx)) })
			return r, nil
		}})
		at := uint64(0)
		listen(s, &at, 30*time.Second)
		if opened < 2 || opened > 3 {
			t.Errorf("%d connections in 30 s of silence", opened)
		}
	})
}

// TestListWithoutGaps: files follow each other to the sample, round after round.
func TestListWithoutGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Lengths that are no whole frames; each begins where the one before ends.
		clips := map[string]*play.Clip{}
		phase := 0
		for name, n := range map[string]int{"a": 8003} {
			pcm := make([]int16, n)
			for i := range pcm {
				pcm[i] = int16(8000 * math.Sin(2*math.Pi*float64(phase)/53)) // 8003 = 151 periods
				phase++
			}
			clips[name] = play.NewClip(name, pcm)
		}
		loads := 0
		s, _ := start(t, Config{Name: "list", List: func() []string { return []string{"a", "missing", "a"} },
			Load: func(name string) (*play.Clip, error) {
				if loads++; clips[name] == nil {
					return nil, errors.New("no such file")
				}
				return clips[name], nil
			}})
		at := uint64(0)
		listen(s, &at, 2*time.Second)
		pcm, nothing := listen(s, &at, 10*time.Second)
		for i := 1; i < len(pcm); i++ {
			if d := int(pcm[i]) - int(pcm[i-1]); d > 1500 || d < -1500 {
				t.Fatalf("a step of %d at sample %d", d, i)
			}
		}
		if nothing > 0 || loads > 30 {
			t.Errorf("%d frames of nothing, %d files read in 12 s", nothing, loads)
		}
	})
}

// TestShuffle: every file of a round is heard once, in varying order.
func TestShuffle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		names := []string{"a", "b", "c", "d"}
		clip := tone(400, 5000, time.Second)
		s, _ := start(t, Config{Name: "list", Shuffle: true, List: func() []string { return append([]string(nil), names...) },
			Load: func(name string) (*play.Clip, error) { order = append(order, name); return clip, nil }})
		at := uint64(0)
		listen(s, &at, 40*time.Second)
		rounds := map[string]bool{}
		for i := 0; i+4 <= len(order); i += 4 {
			seen := map[string]bool{}
			for k, n := range order[i : i+4] {
				if seen[n] = true; i+k > 0 && order[i+k-1] == n {
					t.Error("twice in a row")
				}
			}
			if len(seen) != 4 {
				t.Errorf("a round of %v", order[i:i+4])
			}
			rounds[strings.Join(order[i:i+4], "")] = true
		}
		if len(rounds) < 3 {
			t.Errorf("%d orders", len(rounds))
		}
	})
}

// TestLeveller: a broadcast far too quiet or loud comes to the house's loudness and
// does not pump.
func TestLeveller(t *testing.T) {
	for _, amplitude := range []float64{300, 3000, 20000} {
		l := leveller{target: -21}
		pcm := make([]int16, 320)
		var end []int16
		for i := range 20 * 50 {
			for k := range pcm {
				pcm[k] = int16(amplitude * math.Sin(2*math.Pi*440*float64(320*i+k)/16000))
			}
			l.apply(pcm)
			if i >= 15*50 {
				end = append(end, pcm...)
			}
		}
		want := math.Min(-21, play.Loudness(tone(440, amplitude, time.Second).PCM(), 8000)+mostGain)
		if got := play.Loudness(end, 16000); math.Abs(got-want) > 1 {
			t.Errorf("amplitude %.0f became %.1f LUFS, want %.1f", amplitude, got, want)
		}
	}
}

// TestBroadcastByHTTP: a station by HTTP; redirects and other answers are faults.
func TestBroadcastByHTTP(t *testing.T) {
	mp3, err := os.ReadFile("../play/testdata/tone.mp3")
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/radio":
			if r.Header.Get("Icy-MetaData") != "" {
				t.Error("asked for titles")
			}
			_, _ = w.Write(mp3)
		case "/moved":
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	body, err := Broadcast(srv.URL + "/radio")(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := play.Stream(body, func(pcm []int16) error { n += len(pcm); return nil }); err != nil {
		t.Error(err)
	}
	body.Close()
	if n < 16000 || n > 32000 {
		t.Errorf("%d samples of 1.5 s", n)
	}
	if _, err := Broadcast(srv.URL + "/moved")(t.Context()); err == nil || !strings.Contains(err.Error(), "169.254.169.254") {
		t.Errorf("a redirect: %v", err)
	}
	if _, err := Broadcast(srv.URL + "/none")(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("no such station: %v", err)
	}
	for _, at := range []string{"", "ftp://x/", "file:///etc/passwd", "http://", "radio"} {
		if CheckURL(at) == nil {
			t.Errorf("%q was taken", at)
		}
	}
}
