package app_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/load/robot"
)

// kinds are the events of a running call.
func (o *office) kinds(c *robot.Call) (out []string) {
	o.t.Helper()
	d, err := o.Call(context.Background(), "default", o.live(c))
	if err != nil {
		o.t.Fatal(err)
	}
	for _, e := range d.Events {
		out = append(out, e.Kind)
	}
	return out
}

// bob dials the code for a pause on his phone, the API resumes: the file has
// silence there on both channels and is found unchanged, until somebody changes it.
func TestRecordingPausedByPhone(t *testing.T) {
	o := newOffice(t)
	if _, err := o.apply(`{kind: tenant, name: default, spec: {language: en, record: always, in_call_codes: {"*1": record_pause, "*4": record_stop}}}`, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.talk(a, o.anna, b, o.bob)
	o.talk(a, o.anna, b, o.bob)
	b.Leg().SendDigits("*4#*1#") // he may not stop what the house records
	o.eventually("it is paused", func() bool { return slices.Contains(o.kinds(a), "recording.paused") })
	for range 3 {
		o.talk(a, o.anna, b, o.bob)
	}
	id := o.live(a)
	ask := func(action string) error {
		return o.CommandCall(context.Background(), "default", id, api.CallCommand{Action: "record", Leg: -1, Target: action, By: "test"})
	}
	if err := ask("pause"); !errors.Is(err, api.ErrConflict) {
		t.Errorf("paused twice: %v", err)
	}
	if _, err := o.VerifyRecording(context.Background(), "default", id); !errors.Is(err, api.ErrConflict) {
		t.Errorf("verified while it is written: %v", err)
	}
	if err := ask("resume"); err != nil {
		t.Fatal(err)
	}
	o.talk(a, o.anna, b, o.bob)
	hangUp(a)
	o.over(b)
	r, _ := o.ended(a)
	o.recorded(r, []int{annaTone}, []int{bobTone})
	rec := r.Recordings[0]
	if rec.PausedMs < 500 || rec.PausedMs > rec.DurationMs-400 || rec.SHA256 == "" || rec.Fault != "" {
		t.Fatalf("%+v", rec)
	}
	path := filepath.Join(o.cfg.RecordingsDir(), rec.Path)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := robot.ReadWAV(f)
	if err != nil || w.Format != 1 {
		t.Fatalf("format %d, %v", w.Format, err)
	}
	for ch, pcm := range w.Channels {
		quiet, longest := 0, 0
		for _, v := range pcm {
			if quiet++; v > 8 || v < -8 { // the silence of A-law is 8
				quiet = 0
			}
			longest = max(longest, quiet)
		}
		// What was under way at either end of the pause lies behind the mark by as much
		// as it came late; to the millisecond it is tested in media/record.
		if ms := int64(longest / 8); ms < rec.PausedMs/2 {
			t.Errorf("channel %d: %d ms of silence in a pause of %d", ch, ms, rec.PausedMs)
		}
	}
	v, err := o.VerifyRecording(context.Background(), "default", rec.ID)
	if err != nil || !v.OK || v.SHA256 != rec.SHA256 || v.SizeBytes != rec.SizeBytes {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := o.VerifyRecording(context.Background(), "acme", rec.ID); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("verified by another tenant: %v", err)
	}
	g, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	g.WriteAt([]byte{0x55}, 5000)
	g.Close()
	if v, err := o.VerifyRecording(context.Background(), "default", rec.ID); err != nil || v.OK || v.Problem == "" {
		t.Errorf("changed: %+v, %v", v, err)
	}
	os.Remove(path)
	if v, err := o.VerifyRecording(context.Background(), "default", rec.ID); err != nil || v.OK {
		t.Errorf("removed: %+v, %v", v, err)
	}
}

// On demand nothing is recorded until somebody asks; with never nobody can.
func TestRecordingOnDemand(t *testing.T) {
	for policy, allowed := range map[string]bool{"on_demand": true, "never": false} {
		t.Run(policy, func(t *testing.T) {
			o := newOffice(t)
			if _, err := o.apply(`{kind: tenant, name: default, spec: {language: en, record: `+policy+`}}`, api.ApplyOptions{By: "test"}); err != nil {
				t.Fatal(err)
			}
			a := o.call(o.anna, "201")
			b := o.answers(o.bob)
			o.isUp(a, o.anna)
			o.talk(a, o.anna, b, o.bob)
			err := o.CommandCall(context.Background(), "default", o.live(a), api.CallCommand{Action: "record", Leg: -1, Target: "start", By: "test"})
			if allowed != (err == nil) || err != nil && !errors.Is(err, api.ErrConflict) {
				t.Errorf("start: %v", err)
			}
			if allowed {
				o.talk(a, o.anna, b, o.bob)
				o.talk(a, o.anna, b, o.bob)
				o.command(a, "record", "stop")
				o.eventually("it is closed", func() bool { return slices.Contains(o.kinds(a), "recording.ended") })
			}
			hangUp(a)
			o.over(b)
			r, _ := o.ended(a)
			if allowed {
				o.recorded(r, []int{annaTone}, []int{bobTone})
			} else if len(r.Recordings) > 0 {
				t.Errorf("%+v", r.Recordings)
			}
		})
	}
}
