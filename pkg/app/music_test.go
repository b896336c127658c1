package app_test

import (
	"encoding/binary"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/config"
	"github.com/centrala/centrala/pkg/load/robot"
)

const musicQueues = `
kind: queue
name: waiting
spec: {members: [{agent: bob}], leave_when_empty: false, announce_first: -1s, music: radio}
---
kind: flow
name: wait
spec:
  start: wait
  steps:
    wait: {queue: waiting, next: end}
    end: {hangup: normal}
---
kind: flow
name: lounge
spec:
  start: wait
  steps:
    wait: {queue: {name: waiting, music: lounge}, next: end}
    end: {hangup: normal}
---
kind: number
name: wait
spec: {digits: "1801", flow: wait}
---
kind: number
name: lounge
spec: {digits: "1802", flow: lounge}
`

// wavHead is of 16-bit mono at 16 kHz without an end.
var wavHead = []byte("RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data\xff\xff\xff\xff")

func wavTone(hz, from, n int) []byte {
	b := make([]byte, 0, 2*n)
	for i := from; i < from+n; i++ {
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(8000*math.Sin(2*math.Pi*float64(hz*i)/16000))))
	}
	return b
}

// TestMusicFromABroadcast: two callers who wait hear one connection's sound; when the
// station goes off the air the fallback, and a list of files by another name.
func TestMusicFromABroadcast(t *testing.T) {
	const station, list = 1250, 650
	var asked, on atomic.Int32
	on.Store(1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = w.Write(wavHead)
		for n := 0; on.Load() == 1; n += 1600 {
			if _, err := w.Write(wavTone(station, n, 1600)); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(50 * time.Millisecond) // ahead of time, as stations begin
		}
	}))
	t.Cleanup(srv.Close)
	files := t.TempDir()
	if err := os.WriteFile(filepath.Join(files, "a.wav"), append(append([]byte(nil), wavHead...), wavTone(list, 0, 16000)...), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Parallel()
	n := prepare(t)
	n.make(func(c *config.Config) {
		c.Prompts.Music = []config.Music{{Name: "radio", URL: srv.URL}, {Name: "lounge", Files: []string{files}, Shuffle: true}}
	})
	n.start()
	o := &office{node: n}
	if res, err := o.apply(musicQueues, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err, res.Faults)
	}
	var err error
	if o.media, err = robot.NewMedia(robot.MediaConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.media.Close)
	phone := o.desk(anna, annaTone)
	hears := func(what string, c *robot.Call, ok func(pcm []int16) bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			if pcm := c.Leg().Since(max(0, c.Leg().Mark()-1600)); len(pcm) == 1600 && ok(pcm) {
				return
			}
			if time.Now().After(end) {
				t.Fatal("not within a minute: " + what)
			}
		}
	}
	first, second := o.call(phone, "1801"), o.call(phone, "1801")
	for _, c := range []*robot.Call{first, second} {
		hears("the station", c, func(pcm []int16) bool { return robot.Hears(pcm, station) })
	}
	if asked.Load() != 1 {
		t.Errorf("%d connections for two callers", asked.Load())
	}
	if away := o.value("centrala_music_sources_away", ""); away != 0 {
		t.Errorf("%v away", away)
	}
	third := o.call(phone, "1802")
	hears("the file", third, func(pcm []int16) bool { return robot.Hears(pcm, list) && robot.Quiet(pcm, station) })
	on.Store(0)
	for _, c := range []*robot.Call{first, second} {
		hears("the fallback", c, func(pcm []int16) bool {
			sum := 0.0
			for _, v := range pcm {
				sum += float64(v) * float64(v)
			}
			return robot.Quiet(pcm, station) && math.Sqrt(sum/1600) > 100
		})
	}
	if failures := o.value("centrala_music_source_failures_total", ""); failures < 1 {
		t.Errorf("failures: %v", failures)
	}
}
