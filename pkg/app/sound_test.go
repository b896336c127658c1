package app_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// Bob's sound stops while anna's goes on: after 5 s the journal, the log's metric and
// the record say so, and when it is back. The record tells how the call sounded.
func TestOneWaySoundIsTold(t *testing.T) {
	o := newOffice(t)
	a := o.call(o.anna, "201")
	b := o.answers(o.bob)
	o.isUp(a, o.anna)
	o.talk(a, o.anna, b, o.bob)
	b.Leg().Mute(true)
	quiet := time.Now()
	o.eventually("most of the 5 s", func() bool { return time.Since(quiet) > 4*time.Second })
	o.eventually("the alarm", func() bool { return slices.Contains(o.kinds(a), "audio.alarm") })
	if v := o.value("centrala_media_silence_alarms", "one_way"); v != 1 {
		t.Errorf("%v alarms now", v)
	}
	b.Leg().Mute(false)
	o.eventually("the end of it", func() bool { return slices.Contains(o.kinds(a), "audio.cleared") })
	o.talk(a, o.anna, b, o.bob)
	id := o.live(a)
	hangUp(a)
	o.over(b)
	r, _ := o.ended(a)
	for _, l := range r.Legs {
		if l.Audio == nil || l.Audio.MOSIn == nil || l.Audio.MOSIn.Mean < 4 || l.Audio.MOSIn.Low < 1 || len(l.Audio.MOSIn.Series) == 0 {
			t.Errorf("leg %d: %+v", l.Leg, l.Audio)
		}
	}
	d, err := o.Call(context.Background(), "default", id)
	if err != nil {
		t.Fatal(err)
	}
	var told []event.Body
	for _, rec := range d.Events {
		if e, err := event.Decode(rec); err == nil {
			switch e.Body.(type) {
			case event.AudioAlarm, event.AudioCleared:
				told = append(told, e.Body)
			}
		}
	}
	if len(told) != 2 {
		t.Fatalf("%+v", told)
	}
	alarm, ok := told[0].(event.AudioAlarm)
	if cleared, ok2 := told[1].(event.AudioCleared); !ok || !ok2 || alarm.Alarm != "one_way" || alarm.Leg != 1 || alarm.Device == "" || alarm.SilentMs < 5000 || cleared.Leg != 1 || cleared.LastedMs < alarm.SilentMs {
		t.Errorf("%+v", told)
	}
	if v := o.value("centrala_media_silence_alarms_total", "one_way"); v != 1 {
		t.Errorf("%v alarms in all", v)
	}
	if v := o.value("centrala_media_silence_alarms", "one_way"); v != 0 {
		t.Errorf("%v alarms still", v)
	}
}
