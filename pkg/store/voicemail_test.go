package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/event"
)

// A box is made of the journal: what was left, marked and deleted, each tenant's alone,
// and who listens is told once it is committed.
func TestVoicemailOfTheJournal(t *testing.T) {
	s, err := Open(t.Context(), file(t), Options{FlushEvery: time.Millisecond, ConvertRecordings: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	var mu sync.Mutex
	var told []VoicemailChange
	s.OnVoicemail(func(c VoicemailChange) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, c)
	})
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	do := func(tenant, call string, bodies ...event.Body) {
		t.Helper()
		for _, b := range bodies {
			s.Append(event.Event{At: at, Tenant: tenant, CallID: call, Body: b})
			at = at.Add(time.Second)
		}
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	leave := func(tenant, id, box string) {
		do(tenant, id, event.RecordingStarted{Recording: id, Path: tenant + "/" + id + ".wav", Message: true, Box: box},
			event.RecordingEnded{Recording: id, Path: tenant + "/" + id + ".wav", DurationMs: 5000, SizeBytes: 100},
			event.VoicemailLeft{Message: id, Box: box, From: "0700", DurationMs: 5000})
	}
	for i := range 5 {
		leave("a", fmt.Sprintf("m%d", i), "bob")
	}
	leave("b", "m0", "bob")
	leave("a", "x0", "sales")

	count := func(tenant, box string) string {
		t.Helper()
		c, err := s.VoicemailCount(t.Context(), tenant, box)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d/%d", c.New, c.Saved)
	}
	do("a", "", event.VoicemailMarked{Message: "m1", Box: "bob", State: "saved"}, event.VoicemailDeleted{Message: "m2", Box: "bob"},
		event.VoicemailDeleted{Message: "m0", Box: "bob"}) // b has one of that name
	if a, b := count("a", "bob"), count("b", "bob"); a != "2/1" || b != "1/0" {
		t.Errorf("boxes hold %s and %s", a, b)
	}
	if _, err := s.VoicemailMessage(t.Context(), "a", "m2"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a deleted message: %v", err)
	}
	if _, err := s.Recording(t.Context(), "a", "m2"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the recording of a deleted message: %v", err)
	}
	if m, err := s.VoicemailMessage(t.Context(), "b", "m0"); err != nil || m.Path != "b/m0.wav" || m.From != "0700" || m.State != "new" {
		t.Errorf("the other tenant's message: %+v %v", m, err)
	}
	// Pages, newest first.
	var got []string
	for cursor := ""; ; {
		list, next, err := s.Voicemail(t.Context(), "a", VoicemailFilter{Cursor: cursor, Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			got = append(got, m.ID)
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if fmt.Sprint(got) != "[x0 m4 m3 m1]" {
		t.Errorf("list %v", got)
	}
	if list, _, _ := s.Voicemail(t.Context(), "a", VoicemailFilter{Box: "bob", State: "saved"}); len(list) != 1 || list[0].ID != "m1" {
		t.Errorf("saved ones of bob: %+v", list)
	}
	if _, _, err := s.Voicemail(t.Context(), "a", VoicemailFilter{Cursor: "nonsense"}); !errors.Is(err, ErrCursor) {
		t.Errorf("a cursor that is none: %v", err)
	}
	if work, err := s.RecordingWork(t.Context(), 10); err != nil || len(work) != 0 {
		t.Errorf("messages are not converted: %+v %v", work, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(told) != 10 {
		t.Fatalf("told of %d changes, want 10", len(told))
	}
	if c := told[8]; !c.Deleted || c.Path != "a/m2.wav" {
		t.Errorf("told of the deletion: %+v", c)
	}
}
