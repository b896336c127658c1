package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// The index follows the journal: a file that ends without a checksum is work,
// stays so while its predecessor lies there, and is done when somebody says so.
func TestRecordingWork(t *testing.T) {
	for _, convert := range []bool{false, true} {
		s, err := Open(t.Context(), file(t), Options{FlushEvery: time.Millisecond, ConvertRecordings: convert})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close(context.Background()) })
		at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
		ended := func(tenant, id, sum string, size int64, fault string) {
			s.Append(event.Event{At: at, Tenant: tenant, CallID: id, Body: event.RecordingStarted{Recording: id, Path: tenant + "/" + id + ".wav"}})
			s.Append(event.Event{At: at.Add(time.Minute), Tenant: tenant, CallID: id, Body: event.RecordingEnded{Recording: id, Path: tenant + "/" + id + ".wav",
				DurationMs: 60000, SizeBytes: size, SHA256: sum, PausedMs: 500, Fault: fault}})
		}
		ended("default", "a", "", 100, "")
		ended("default", "b", "beef", 100, "")
		ended("other", "c", "", 100, "overrun")
		ended("other", "d", "", 0, "open") // there is no file
		s.Append(event.Event{At: at, Tenant: "other", CallID: "e", Body: event.RecordingStarted{Recording: "e", Path: "other/e.wav"}})
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
		names := func(list []TenantRecording, err error) string {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			out := ""
			for _, r := range list {
				out += r.Tenant + "/" + r.ID + " "
			}
			return out
		}
		want := "default/a other/c "
		if convert {
			want = "default/a default/b other/c "
		}
		if got := names(s.RecordingWork(t.Context(), 10)); got != want {
			t.Errorf("convert %v: work %q, want %q", convert, got, want)
		}
		if got := names(s.RecordingWork(t.Context(), 1)); got != "default/a " {
			t.Errorf("one of the work: %q", got)
		}
		if got := names(s.OpenRecordings(t.Context())); got != "other/e " {
			t.Errorf("open: %q", got)
		}
		s.Append(event.Event{At: at, Tenant: "default", CallID: "a", Body: event.RecordingStored{Recording: "a", Path: "default/a.flac", Was: "default/a.wav", SizeBytes: 50, SHA256: "cafe"}})
		s.Append(event.Event{At: at, Tenant: "other", CallID: "c", Body: event.RecordingStored{Recording: "c", Path: "other/c.wav", Fault: "removed"}})
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
		if got := names(s.RecordingWork(t.Context(), 10)); got != want {
			t.Errorf("the old file lies there still: work %q", got)
		}
		if err := errors.Join(s.RecordingDone(t.Context(), "default", "a"), s.RecordingDone(t.Context(), "default", "c")); err != nil { // c is another's
			t.Fatal(err)
		}
		if got := names(s.RecordingWork(t.Context(), 10)); got != want[len("default/a "):] {
			t.Errorf("work %q", got)
		}
		r, err := s.Recording(t.Context(), "default", "a")
		if err != nil || r.Path != "default/a.flac" || r.SHA256 != "cafe" || r.SizeBytes != 50 || r.DurationMs != 60000 || r.PausedMs != 500 || !r.Closed {
			t.Errorf("%+v, %v", r, err)
		}
		if r, _ := s.Recording(t.Context(), "other", "c"); r.Fault != "removed" {
			t.Errorf("%+v", r)
		}
		if _, err := s.Recording(t.Context(), "other", "a"); !errors.Is(err, ErrNotFound) {
			t.Errorf("another tenant's recording: %v", err)
		}
	}
}
