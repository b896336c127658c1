package app_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/config"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/load/robot"
	"github.com/centrala/centrala/pkg/store"
)

const noteFlow = `
kind: flow
name: speak
spec:
  start: greet
  steps:
    greet: {play: {prompts: [note], interrupt: false}, next: end}
    end: {hangup: normal}
---
kind: number
name: speak
spec: {digits: "1009", flow: speak}
`

// tone is a WAV file of 1 kHz at 8 kHz and a level of its own.
func tone(d time.Duration, level float64) []byte {
	n := int(d.Seconds() * 8000)
	var b bytes.Buffer
	put := func(v any) { binary.Write(&b, binary.LittleEndian, v) }
	b.WriteString("RIFF")
	put(uint32(36 + 2*n))
	b.WriteString("WAVEfmt ")
	put([]uint32{16, 1 | 1<<16, 8000, 16000, 2 | 16<<16})
	b.WriteString("data")
	put(uint32(2 * n))
	for i := range n {
		put(int16(level * 32767 * math.Sin(2*math.Pi*1000*float64(i)/8000)))
	}
	return b.Bytes()
}

// What is uploaded is heard by the next caller, at the house's loudness; versions go
// back and forth without a restart, and a restart changes nothing.
func TestUploadedPromptIsHeard(t *testing.T) {
	o, phone := desked(t)
	ctx := context.Background()
	if _, err := o.apply(noteFlow, api.ApplyOptions{By: "test"}); err == nil {
		t.Fatal("a flow with a prompt that is nowhere is taken")
	}
	add := func(d time.Duration, level float64) api.PromptVersion {
		t.Helper()
		v, err := o.AddPrompt(ctx, "default", "note", api.NewPrompt{Language: "en", Audio: tone(d, level), By: "anna"})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := add(time.Second, 0.02); v.Version != 1 || !v.InUse || v.Source != "upload" || v.DurationMs != 1000 {
		t.Errorf("%+v", v)
	}
	if _, err := o.apply(noteFlow, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	hears := func(want time.Duration) (rms float64) {
		t.Helper()
		sound, _, rms := o.hearsAll(phone)
		if (sound - want).Abs() > 300*time.Millisecond {
			t.Errorf("heard %v, want %v", sound, want)
		}
		return rms
	}
	quiet := hears(time.Second)
	add(2*time.Second, 0.9)
	if loud := hears(2 * time.Second); loud/quiet > 1.5 || quiet/loud > 1.5 {
		t.Errorf("one prompt is heard at an RMS of %.0f, the other at %.0f", quiet, loud)
	}
	if err := o.UsePrompt(ctx, "default", "note", api.UsedPrompt{Language: "en", Version: 1}, "anna"); err != nil {
		t.Fatal(err)
	}
	hears(time.Second)
	d, err := o.Prompt(ctx, "default", "note")
	if err != nil || len(d.Versions) != 2 || d.Versions[0].InUse || !d.Versions[1].InUse || len(d.UsedBy) != 1 || d.UsedBy[0] != "flow/speak" ||
		len(d.Languages) != 1 || d.Languages[0].Version != 1 || d.Languages[0].Source != "kept" {
		t.Errorf("%+v %v", d, err)
	}
	// A process that is killed between the store and the folder.
	heard := filepath.Join(o.cfg.PromptsDir(), ".kept", "default", "en", "note.wav")
	if err := os.Remove(heard); err != nil {
		t.Fatal(err)
	}
	o.restart()
	if b, err := o.PromptAudio(ctx, "default", "note", "en", 0); err != nil || len(b) != 44+32000 {
		t.Errorf("%d bytes after the restart, %v", len(b), err)
	}
	if err := o.RemovePrompt(ctx, "default", "note", "", 0, "anna"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(heard); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(heard)), "versions", "*"))
	if len(files) != 0 {
		t.Errorf("left over: %v", files)
	}
	list, err := o.Prompts(ctx, "default")
	for _, p := range list {
		if p.Name == "note" && strings.Join(p.Missing, " ") != "en" {
			t.Errorf("%+v", p)
		}
	}
	if err != nil || len(list) == 0 {
		t.Error(err)
	}
	if _, err := o.Prompt(ctx, "acme", "note"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("another company's: %v", err)
	}
}

func TestWrongPromptsAreRefused(t *testing.T) {
	o, _ := desked(t)
	ctx := context.Background()
	good := tone(time.Second, 0.5)
	for _, row := range []struct {
		name, lang string
		audio      []byte
		want       string
	}{
		{"note", "en", []byte("<html>no sound</html>"), "want WAV"},
		{"note", "en", good[:40], "want WAV"},
		{"note", "en", tone(time.Second, 0), "silent"},
		{"note", "english", good, "language"},
		{"note", "../en", good, "language"},
		{"../note", "en", good, "name"},
		{"Note", "en", good, "name"},
	} {
		_, err := o.AddPrompt(ctx, "default", row.name, api.NewPrompt{Language: row.lang, Audio: row.audio})
		if !errors.Is(err, api.ErrInvalid) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s %s: %v, want %q", row.name, row.lang, err, row.want)
		}
	}
	if _, err := o.AddPrompt(ctx, "nobody", "note", api.NewPrompt{Language: "en", Audio: good}); !errors.Is(err, api.ErrNotFound) {
		t.Error(err)
	}
	if err := o.UsePrompt(ctx, "default", "note", api.UsedPrompt{Language: "en", Version: 7}, ""); !errors.Is(err, api.ErrNotFound) {
		t.Error(err)
	}
	if err := o.RemovePrompt(ctx, "default", "note", "en", 0, ""); !errors.Is(err, api.ErrNotFound) {
		t.Error(err)
	}
	if _, err := o.AddPrompt(ctx, "default", "note", api.NewPrompt{Language: "en", Text: "Hello."}); !errors.Is(err, api.ErrConflict) {
		t.Errorf("a text without an engine: %v", err)
	}
	for range 25 { // the list stays short
		if _, err := o.AddPrompt(ctx, "default", "note", api.NewPrompt{Language: "en", Audio: good}); err != nil {
			t.Fatal(err)
		}
	}
	d, err := o.Prompt(ctx, "default", "note")
	if err != nil || len(d.Versions) != 20 || d.Versions[0].Version != 25 || d.Versions[19].Version != 6 {
		t.Errorf("%d versions, %v", len(d.Versions), err)
	}
}

const officeHours = `
kind: schedule
name: office
spec: {time_zone: Europe/Chisinau, switch: "1", hours: [{days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "24:00"}]}
`

// A closure holds over an apply and a restart, and is in the journal.
func TestScheduleIsClosedByHand(t *testing.T) {
	o, _ := desked(t)
	ctx := context.Background()
	if _, err := o.apply(officeHours, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	is := func(open bool, why string) {
		t.Helper()
		s, err := o.Schedule(ctx, "default", "office", time.Time{})
		if err != nil || s.Open != open || s.Why != why || (s.Closure != nil) != (why == "closure") {
			t.Fatalf("%+v %v, want open %v by %s", s, err, open, why)
		}
	}
	is(true, "hours")
	until := time.Now().Add(time.Hour)
	s, err := o.CloseSchedule(ctx, "default", "office", api.CloseSchedule{Until: until, Reason: "no power"}, "anna")
	if err != nil || s.Open || s.What != "no power" || s.Changes.Sub(until).Abs() > time.Second || s.Closure.By != "anna" {
		t.Fatalf("%+v %v", s, err)
	}
	if _, err := o.apply(strings.Replace(officeHours, `"24:00"`, `"23:59"`, 1), api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	is(false, "closure")
	o.restart()
	is(false, "closure")
	if _, err := o.OpenSchedule(ctx, "default", "office", "ben"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.OpenSchedule(ctx, "default", "office", "ben"); err != nil { // nobody had closed it
		t.Fatal(err)
	}
	is(true, "hours")
	for said, digits := range map[string]string{"unknown_code": "7", "schedule_closed": "1"} {
		if got, err := o.ToggleSchedule(ctx, "default", digits, "bob"); got != said || err != nil {
			t.Errorf("%s: %s %v", digits, got, err)
		}
	}
	is(false, "closure")
	if got, err := o.ToggleSchedule(ctx, "default", "1", "bob"); got != "schedule_opened" || err != nil {
		t.Errorf("%s %v", got, err)
	}
	is(true, "hours")
	for _, c := range []api.CloseSchedule{{Until: time.Now().Add(-time.Minute)}, {Until: time.Now().AddDate(50, 0, 0)}, {Reason: strings.Repeat("x", 201)}} {
		if _, err := o.CloseSchedule(ctx, "default", "office", c, ""); !errors.Is(err, api.ErrInvalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := o.CloseSchedule(ctx, "acme", "office", api.CloseSchedule{}, ""); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("another company's: %v", err)
	}
	stop(t, o.App)
	st, err := store.Open(ctx, o.cfg.StorePath(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close(ctx)
	var kinds []string
	events, err := st.JournalOf(ctx, "default", 1, st.Newest(), 1000, []string{"schedule.closed", "schedule.opened"})
	for _, e := range events {
		switch b := e.Body.(type) {
		case event.ScheduleClosed:
			kinds = append(kinds, "closed by "+b.By)
		case event.ScheduleOpened:
			kinds = append(kinds, "opened by "+b.By)
		}
	}
	if got := strings.Join(kinds, ", "); err != nil || got != "closed by anna, opened by ben, closed by bob, opened by bob" {
		t.Errorf("%s %v", got, err)
	}
}

func TestCalendarIsImported(t *testing.T) {
	o, _ := desked(t)
	ctx := context.Background()
	if _, err := o.apply(officeHours, api.ApplyOptions{By: "test"}); err != nil {
		t.Fatal(err)
	}
	const text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20260827\r\nRRULE:FREQ=YEARLY\r\nSUMMARY:Ziua Independenței\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	res, err := o.ImportCalendar(ctx, "default", "office", "feasts", text, api.ApplyOptions{By: "anna"})
	if err != nil || !res.Applied {
		t.Fatal(res, err)
	}
	at := time.Date(2027, 8, 27, 9, 0, 0, 0, time.UTC)
	if s, err := o.Schedule(ctx, "default", "office", at); err != nil || s.Open || s.Why != "calendar" || s.What != "Ziua Independenței" {
		t.Errorf("%+v %v", s, err)
	}
	if res, err := o.ImportCalendar(ctx, "default", "office", "feasts", "no calendar", api.ApplyOptions{}); !errors.Is(err, api.ErrInvalid) || len(res.Faults) == 0 {
		t.Errorf("%+v %v", res, err)
	}
	if !strings.Contains(o.export(false), "BEGIN:VCALENDAR") {
		t.Error("the calendar is not exported with its schedule")
	}
	if _, err := o.ImportCalendar(ctx, "default", "office", "feasts", "", api.ApplyOptions{}); err != nil {
		t.Error(err)
	}
	if s, err := o.Schedule(ctx, "default", "office", at); err != nil || !s.Open {
		t.Errorf("%+v %v", s, err)
	}
}

// desked is a node with anna's phone.
func desked(t *testing.T) (*office, *desk) {
	t.Helper()
	t.Parallel()
	n := prepare(t)
	n.make(func(c *config.Config) { c.Speech.Engine = "none" })
	n.start()
	o := &office{node: n}
	var err error
	if o.media, err = robot.NewMedia(robot.MediaConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.media.Close)
	return o, o.desk(anna, annaTone)
}
