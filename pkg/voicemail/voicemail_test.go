package voicemail

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/mail"
	"github.com/centrala/centrala/pkg/store"
)

// memory is a store and a journal in one: it does to its messages what the events say.
type memory struct {
	mu   sync.Mutex
	msgs map[string]store.Voicemail // by tenant/id
	desk *Desk
}

func (m *memory) Voicemail(_ context.Context, tenant string, f store.VoicemailFilter) (out []store.Voicemail, _ string, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, v := range m.msgs {
		if strings.HasPrefix(k, tenant+"/") && v.Box == f.Box && (f.Before.IsZero() || v.At.Before(f.Before)) {
			out = append(out, v)
		}
	}
	return out, "", nil
}

func (m *memory) VoicemailMessage(_ context.Context, tenant, id string) (store.Voicemail, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.msgs[tenant+"/"+id]
	if !ok {
		return v, store.ErrNotFound
	}
	return v, nil
}

func (m *memory) VoicemailCount(_ context.Context, tenant, box string) (c store.BoxCount, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, v := range m.msgs {
		if strings.HasPrefix(k, tenant+"/") && v.Box == box {
			if v.State == "new" {
				c.New++
			} else {
				c.Saved++
			}
		}
	}
	return c, nil
}

func (m *memory) Sync() error { return nil }
func (m *memory) Append(e event.Event) {
	m.mu.Lock()
	c := store.VoicemailChange{Tenant: e.Tenant}
	switch b := e.Body.(type) {
	case event.VoicemailLeft:
		c.Box, c.Message, c.Left = b.Box, b.Message, true
		m.msgs[e.Tenant+"/"+b.Message] = store.Voicemail{ID: b.Message, Box: b.Box, From: b.From, Display: b.Display, At: e.At, DurationMs: b.DurationMs, State: "new", Path: b.Message + ".wav"}
	case event.VoicemailMarked:
		c.Box, c.Message = b.Box, b.Message
		v := m.msgs[e.Tenant+"/"+b.Message]
		v.State = b.State
		m.msgs[e.Tenant+"/"+b.Message] = v
	case event.VoicemailDeleted:
		c.Box, c.Message, c.Deleted, c.Path = b.Box, b.Message, true, b.Message+".wav"
		delete(m.msgs, e.Tenant+"/"+b.Message)
	}
	m.mu.Unlock()
	m.desk.Changed(c)
}

// scene is a desk over a memory; what its lamps and mails were told is in lamps, mails.
type scene struct {
	*Desk
	mem   *memory
	dir   string
	boxes map[Key]Box

	mu    sync.Mutex
	lamps []string
	mails []mail.Message
}

func newScene(t *testing.T, boxes map[Key]Box) *scene {
	s := &scene{mem: &memory{msgs: map[string]store.Voicemail{}}, dir: t.TempDir(), boxes: boxes}
	s.Desk = New(Config{Store: s.mem, Journal: s.mem, Dir: s.dir,
		Boxes: func() map[Key]Box { s.mu.Lock(); defer s.mu.Unlock(); return s.boxes },
		Lamp: func(tenant, device string, fresh, saved int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.lamps = append(s.lamps, fmt.Sprintf("%s/%s %d/%d", tenant, device, fresh, saved))
		},
		Mail: func(m mail.Message) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.mails = append(s.mails, m)
			return nil
		}})
	s.mem.desk = s.Desk
	return s
}

// told is what the lamps were told since the last time, sorted.
func (s *scene) told() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.lamps)
	out := strings.Join(s.lamps, ", ")
	s.lamps = nil
	return out
}

func (s *scene) do(tenant string, b event.Body) {
	s.mem.Append(event.Event{At: time.Now(), Tenant: tenant, Body: b})
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// A phone shows the sum of its boxes; another tenant's box of the same name is another.
func TestLampsFollowTheBoxes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, map[Key]Box{{"a", "bob"}: {Devices: []string{"201"}}, {"a", "sales"}: {Devices: []string{"201", "202"}}, {"b", "bob"}: {Devices: []string{"201"}}})
		s.mem.msgs["a/old"] = store.Voicemail{ID: "old", Box: "bob", State: "saved"} // of the process before
		s.Start()
		defer s.Stop(context.Background())
		want(t, "at the start", s.told(), "a/201 0/1")
		s.do("a", event.VoicemailLeft{Message: "m1", Box: "sales", DurationMs: 4000})
		want(t, "left for the queue", s.told(), "a/201 1/1, a/202 1/0")
		if fresh, saved := s.Count("a", "sales"); fresh != 1 || saved != 0 {
			t.Errorf("box holds %d/%d", fresh, saved)
		}
		s.do("b", event.VoicemailLeft{Message: "m1", Box: "bob", DurationMs: 4000})
		want(t, "of another tenant", s.told(), "b/201 1/0")
		s.do("a", event.VoicemailMarked{Message: "m1", Box: "sales", State: "saved"})
		want(t, "heard", s.told(), "a/201 0/2, a/202 0/1")
		s.do("a", event.VoicemailMarked{Message: "m1", Box: "sales", State: "saved"})
		want(t, "heard again", s.told(), "")
		s.do("a", event.VoicemailDeleted{Message: "m1", Box: "sales"})
		want(t, "deleted", s.told(), "a/201 0/1, a/202 0/0")
		s.mu.Lock()
		s.boxes = map[Key]Box{{"a", "bob"}: {Devices: []string{"203"}}}
		s.mu.Unlock()
		s.Refresh()
		want(t, "another owner, and the other tenant's box is gone", s.told(), "a/201 0/0, a/203 0/1, b/201 0/0")
	})
}

func TestMailOfAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, map[Key]Box{{"a", "bob"}: {Name: "Bob", Email: []string{"bob@example.com"}, EmailSound: true, Language: "en"}, {"a", "dumb"}: {}})
		s.Start()
		defer s.Stop(context.Background())
		s.do("a", event.VoicemailLeft{Message: "m1", Box: "bob", From: "+40700", Display: "Eve\r\nBcc: all@example.com", DurationMs: 62500})
		s.do("a", event.VoicemailLeft{Message: "m2", Box: "dumb", DurationMs: 4000})
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.mails) != 1 {
			t.Fatalf("%d mails, want that of the box with an address", len(s.mails))
		}
		m := s.mails[0]
		want(t, "subject", m.Subject, "New voice message from EveBcc: all@example.com <+40700> in Bob (1:02)")
		if len(m.Attachments) != 1 || m.Attachments[0].Path != filepath.Join(s.dir, "m1.wav") || m.To[0] != "bob@example.com" || m.Tenant != "a" {
			t.Errorf("mail %+v", m)
		}
	})
}

// What is older than its box allows goes, with its file.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, map[Key]Box{{"a", "bob"}: {Retention: 24 * time.Hour}, {"a", "ever"}: {}})
		for _, name := range []string{"m1.wav", "m2.wav", "m3.wav"} {
			if err := os.WriteFile(filepath.Join(s.dir, name), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s.Start()
		defer s.Stop(context.Background())
		s.do("a", event.VoicemailLeft{Message: "m1", Box: "bob", DurationMs: 4000})
		s.do("a", event.VoicemailLeft{Message: "m2", Box: "ever", DurationMs: 4000})
		time.Sleep(23 * time.Hour)
		s.do("a", event.VoicemailLeft{Message: "m3", Box: "bob", DurationMs: 4000})
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		left, _ := filepath.Glob(filepath.Join(s.dir, "*"))
		for i := range left {
			left[i] = filepath.Base(left[i])
		}
		want(t, "files", strings.Join(left, " "), "m2.wav m3.wav")
		if fresh, _ := s.Count("a", "bob"); fresh != 1 {
			t.Errorf("the box holds %d, want the newer message", fresh)
		}
	})
}
