package mail

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// server takes what is delivered, or answers with err.
type server struct {
	mu    sync.Mutex
	err   error
	tries []time.Time
	got   []string // id: subject, attachments' contents
}

func (s *server) Deliver(ctx context.Context, id string, m Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries = append(s.tries, time.Now())
	if s.err != nil {
		return s.err
	}
	text := m.Subject
	for _, a := range m.Attachments {
		b, err := os.ReadFile(a.Path)
		if err != nil {
			return Permanent{err}
		}
		text += " " + a.Name + "=" + string(b)
	}
	s.got = append(s.got, text)
	return nil
}

func (s *server) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func open(t *testing.T, dir string, s *server, change func(*Config)) *Queue {
	t.Helper()
	c := Config{Dir: dir, Sender: s, Registerer: prometheus.NewRegistry()}
	if change != nil {
		change(&c)
	}
	q, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func stop(t *testing.T, q *Queue) {
	t.Helper()
	for range 2 { // safe to call twice
		if err := q.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func letter(subject string) Message {
	return Message{Tenant: "a", To: []string{"bob@example.com"}, Subject: subject, Text: "hello"}
}

// A mail outlives a server that is away and a restart, and its attachment's file may go.
func TestMailOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, s := t.TempDir(), &server{err: errors.New("no route")}
		q := open(t, dir, s, nil)
		file := filepath.Join(t.TempDir(), "m.wav")
		if err := os.WriteFile(file, []byte("RIFF"), 0o600); err != nil {
			t.Fatal(err)
		}
		m := letter("one")
		m.Attachments = []Attachment{{Name: "message.wav", Path: file}}
		if err := q.Send(m); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Minute) // tries at 0, 1 and 3 minutes
		synctest.Wait()
		if n := len(s.tries); n != 3 {
			t.Errorf("%d tries in four minutes, want 3", n)
		}
		stop(t, q)
		// A cut write leaves parts that belong to nothing.
		for _, name := range []string{"cut.0", "cut.part"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s.set(nil)
		q = open(t, dir, s, nil)
		synctest.Wait()
		if len(s.got) != 1 || s.got[0] != "one message.wav=RIFF" {
			t.Errorf("delivered %q", s.got)
		}
		stop(t, q)
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%v stays in the queue's folder", left)
		}
	})
}

func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{err: Permanent{errors.New("550 no such user")}}
		q := open(t, t.TempDir(), s, nil)
		defer stop(t, q)
		if err := q.Send(letter("refused")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(s.tries) != 1 || q.Len() != 0 {
			t.Errorf("%d tries, %d wait; a refusal for good is not tried again", len(s.tries), q.Len())
		}
		s.set(errors.New("451 later"))
		if err := q.Send(letter("late")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(40 * time.Hour)
		synctest.Wait()
		before := len(s.tries)
		if q.Len() != 1 || before > 30 {
			t.Errorf("%d wait after 40 hours and %d tries", q.Len(), before)
		}
		time.Sleep(13 * time.Hour)
		synctest.Wait()
		if q.Len() != 0 || len(s.tries)-before > 4 {
			t.Errorf("%d wait after 53 hours and %d further tries", q.Len(), len(s.tries)-before)
		}
		if n := testutil.ToFloat64(q.met.outcome["given_up"]); n != 2 {
			t.Errorf("given_up %v, want 2", n)
		}
	})
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{err: errors.New("away")}
		q := open(t, t.TempDir(), s, func(c *Config) { c.MaxMessages = 2 })
		for _, bad := range []Message{{}, {To: []string{"bob"}}, {To: []string{"bob@example.com"}, Subject: "a\r\nBcc: eve@example.com"},
			{To: []string{"bob@example.com"}, Text: strings.Repeat("x", MaxText+1)}, {To: make([]string, MaxRecipients+1)}} {
			if err := q.Send(bad); !errors.Is(err, ErrInvalid) {
				t.Errorf("%.40v: %v, want ErrInvalid", bad, err)
			}
		}
		missing := letter("x")
		missing.Attachments = []Attachment{{Name: "a", Path: "/nowhere/at/all"}}
		if err := q.Send(missing); err == nil {
			t.Error("an attachment that is not there was taken")
		}
		for i := range 3 {
			if err := q.Send(letter("m")); (i == 2) != errors.Is(err, ErrFull) {
				t.Errorf("mail %d: %v", i, err)
			}
		}
		stop(t, q)
		if err := q.Send(letter("m")); !errors.Is(err, ErrStopped) {
			t.Errorf("after the stop: %v", err)
		}
		var none *Queue
		if err := none.Send(letter("m")); !errors.Is(err, ErrOff) {
			t.Errorf("without a queue: %v", err)
		}
	})
}

// The e-mail itself, as a server would get it.
func TestCompose(t *testing.T) {
	file := filepath.Join(t.TempDir(), "m.wav")
	if err := os.WriteFile(file, []byte("RIFFdata"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := letter("Mesaj vocal nou de la Ștefan")
	m.Attachments = []Attachment{{Name: "message.wav", Path: file}}
	msg, err := SMTP{From: "centrala@example.com", Name: "Centrala"}.compose("id1", m)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if _, err := msg.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Message-ID: <id1@example.com>", "To: <bob@example.com>", `From: "Centrala" <centrala@example.com>`, "Auto-Submitted: auto-generated",
		`filename="message.wav"`, "UklGRmRhdGE=", "Subject: =?UTF-8?q?Mesaj_vocal"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestParseServer(t *testing.T) {
	for in, want := range map[string]int{"mail.example.com": 587, "mail.example.com:2525": 2525} {
		if _, port, err := ParseServer(in, TLSStart); err != nil || port != want {
			t.Errorf("%q: %d %v, want %d", in, port, err, want)
		}
	}
	for _, bad := range []string{"", "host:0", "host:x", "a b:25", "me@host:25"} {
		if _, _, err := ParseServer(bad, TLSStart); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
