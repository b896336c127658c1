package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/sip/registrar"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var t0 = time.Date(2026, 10, 25, 0, 59, 59, 999_999_999, time.UTC) // a rounding trap

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, Options{FlushEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "data", "c.db") }

func call(s *Store, tenant, id string, at time.Time, end bool) {
	s.Append(event.Event{At: at, Tenant: tenant, CallID: id, Body: event.CallStarted{Direction: event.Inbound, From: "+40", To: "1000", SIPCallID: "x"}})
	s.Append(event.Event{At: at.Add(time.Second), Tenant: tenant, CallID: id, Body: event.SegmentStarted{Segment: event.SegmentTalking, Agent: "anna"}})
	if end {
		s.Append(event.Event{At: at.Add(3 * time.Second), Tenant: tenant, CallID: id, Body: event.CallEnded{Result: event.ResultCaller, Reason: event.ReasonNormal}})
	}
}

func TestJournalKeepsOrderAndNumbersWithoutGap(t *testing.T) {
	path := file(t)
	s := open(t, path)
	var wg sync.WaitGroup
	const callers, each = 8, 400
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				s.Append(event.Event{At: t0, Tenant: "default", CallID: fmt.Sprint("c", c), Body: event.LegRinging{Leg: i}})
			}
			if err := s.Sync(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = open(t, path) // numbers go on after a restart
	s.Append(event.Event{At: t0, Tenant: "default", CallID: "late", Body: event.CallAnswered{}})
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	next := map[string]int{}
	var want uint64 = 1
	err := s.Range(t.Context(), 0, func(e event.Event) error {
		if e.Seq != want {
			return fmt.Errorf("seq %d, want %d", e.Seq, want)
		}
		want++
		if b, ok := e.Body.(event.LegRinging); ok {
			if b.Leg != next[e.CallID] {
				return fmt.Errorf("%s: event %d, want %d: order of one caller lost", e.CallID, b.Leg, next[e.CallID])
			}
			next[e.CallID]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want != callers*each+2 {
		t.Errorf("%d events", want-1)
	}
	if ev, err := s.Events(t.Context(), "other", "late"); err != nil || len(ev) != 0 {
		t.Errorf("another tenant reads the call: %v %v", ev, err)
	}
}

// A copy of the files at the moment Sync returns is what a power cut leaves at
// worst: it must hold all that was synced.
func TestSyncedEventsAreInTheFilesAtOnce(t *testing.T) {
	path := file(t)
	s := open(t, path)
	call(s, "default", "c1", t0, true)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	copyTo := file(t)
	os.MkdirAll(filepath.Dir(copyTo), 0o755)
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copyTo+suffix, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	again := open(t, copyTo)
	if ev, err := again.Events(t.Context(), "default", "c1"); err != nil || len(ev) != 3 {
		t.Errorf("%d events, %v", len(ev), err)
	}
	c, err := again.Call(t.Context(), "default", "c1")
	if err != nil || c.TalkMs != 2000 || c.TotalMs != 3000 || c.Open() {
		t.Errorf("%+v %v", c, err)
	}
}

func TestSecondProcessIsToldWhoHoldsTheFolder(t *testing.T) {
	path := file(t)
	open(t, path)
	_, err := Open(t.Context(), path, Options{})
	if err == nil || !strings.Contains(err.Error(), "in use by process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := file(t)
	s := open(t, path)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.Exec(`PRAGMA user_version = 999`)
	db.Close()
	if _, err := Open(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), "schema 999") {
		t.Errorf("got %v", err)
	}
}

// The disk is full: every write fails until it is not. Nothing appended is
// lost, Sync tells the truth both times.
func TestFullDiskLosesNothing(t *testing.T) {
	s := open(t, file(t))
	limit := func(pages int) {
		// The writer owns the connection: the limit is set in its own transaction's place.
		if err := s.update(t.Context(), func(ctx context.Context, tx execer) error {
			_, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	call(s, "default", "before", t0, true)
	limit(1) // SQLite takes the present size when that is larger: not one page more
	big := strings.Repeat("x", 100_000)
	for i := range 20 {
		s.Append(event.Event{At: t0, Tenant: "default", CallID: "full", Body: event.FlowFailed{Flow: strconv.Itoa(i), Error: big}})
	}
	err := s.Sync()
	if err == nil || !strings.Contains(err.Error(), "full") {
		t.Fatalf("Sync on a full disk: %v", err)
	}
	if s.Err() == "" {
		t.Error("no alarm")
	}
	if err := s.Sync(); err == nil {
		t.Error("second Sync on a full disk is told nothing")
	}
	// Room again. The writer is in its retry loop, so this goes beside it.
	free := make(chan struct{})
	go func() {
		defer close(free)
		for s.Err() != "" {
			s.conn.ExecContext(context.Background(), `PRAGMA max_page_count = 1073741823`)
			time.Sleep(10 * time.Millisecond)
		}
	}()
	<-free
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	ev, err := s.Events(t.Context(), "default", "full")
	if err != nil || len(ev) != 20 {
		t.Fatalf("%d events after the disk was full, %v", len(ev), err)
	}
	for i, e := range ev {
		if e.Body.(event.FlowFailed).Flow != strconv.Itoa(i) {
			t.Errorf("event %d is %s", i, e.Body.(event.FlowFailed).Flow)
		}
	}
}

func TestBodyThatIsNoJSONDoesNotStopTheJournal(t *testing.T) {
	s := open(t, file(t))
	s.Append(event.Event{At: t0, Tenant: "default", CallID: "c", Body: event.LegEnded{Reason: event.ReasonNormal, Audio: &event.Audio{JitterMs: math.NaN()}}})
	call(s, "default", "d", t0, true)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if ev, err := s.Events(t.Context(), "default", "c"); err != nil || len(ev) != 1 {
		t.Errorf("%v %v", ev, err)
	}
}

func TestOrphansOfACrashAreClosed(t *testing.T) {
	path := file(t)
	s := open(t, path)
	call(s, "default", "whole", t0, true)
	call(s, "acme", "cut", t0, false)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if live := s.Live("acme"); len(live) != 1 || live[0].ID != "cut" {
		t.Fatalf("open calls after a crash: %v", live)
	}
	if cut, err := s.CloseOrphans(); len(cut) != 1 || cut[0].ID != "cut" || err != nil {
		t.Fatal(cut, err)
	}
	c, err := s.Call(t.Context(), "acme", "cut")
	if err != nil || c.Open() || c.Result != event.ResultOurs || c.TotalMs != 1000 {
		t.Errorf("%+v %v", c, err)
	}
	if cut, _ := s.CloseOrphans(); len(cut) != 0 {
		t.Error("closed twice")
	}
	if _, err := s.Call(t.Context(), "default", "cut"); !errors.Is(err, ErrNotFound) {
		t.Errorf("another tenant's call: %v", err)
	}
}

func TestCallsArePagedNewestFirst(t *testing.T) {
	s := open(t, file(t))
	for i := range 25 {
		call(s, "default", fmt.Sprintf("c%02d", i), t0.Add(time.Duration(i/5)*time.Minute), true) // five start together
		call(s, "other", fmt.Sprintf("o%02d", i), t0, true)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	var got []string
	cur := ""
	for {
		page, next, err := s.Calls(t.Context(), "default", CallFilter{Limit: 4, Cursor: cur, Agent: "anna", Dialled: "1000", Ended: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page {
			got = append(got, c.ID)
		}
		if cur = next; next == "" {
			break
		}
	}
	if len(got) != 25 || got[0] != "c24" || got[24] != "c00" {
		t.Errorf("%v", got)
	}
	if _, _, err := s.Calls(t.Context(), "default", CallFilter{Cursor: "'; DROP"}); !errors.Is(err, ErrCursor) {
		t.Errorf("cursor of a stranger: %v", err)
	}
	before, _, _ := s.Calls(t.Context(), "default", CallFilter{})
	n, err := s.RebuildCalls(t.Context())
	after, _, _ := s.Calls(t.Context(), "default", CallFilter{})
	if err != nil || n != 50 || fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("rebuild: %d %v", n, err)
	}
}

func TestRecordingsAreIndexed(t *testing.T) {
	s := open(t, file(t))
	call(s, "default", "c", t0, false)
	s.Append(event.Event{At: t0, Tenant: "default", CallID: "c", Body: event.RecordingStarted{Recording: "r1", Path: "a/b.wav"}})
	s.Sync()
	if list, _, err := s.Recordings(t.Context(), "default", RecordingFilter{Open: true}); err != nil || len(list) != 1 || list[0].Closed {
		t.Errorf("%+v %v", list, err)
	}
	s.Append(event.Event{At: t0.Add(5 * time.Second), Tenant: "default", CallID: "c", Body: event.RecordingEnded{Recording: "r1", Path: "a/b.wav", DurationMs: 4000, SizeBytes: 64044, Fault: "disk full"}})
	s.Sync()
	list, _, err := s.Recordings(t.Context(), "default", RecordingFilter{CallID: "c"})
	if err != nil || len(list) != 1 || !list[0].Closed || list[0].Fault != "disk full" || !list[0].Started.Equal(t0.Truncate(time.Millisecond)) {
		t.Errorf("%+v %v", list, err)
	}
	if list, _, _ := s.Recordings(t.Context(), "other", RecordingFilter{}); len(list) != 0 {
		t.Error("another tenant sees it")
	}
}

func TestBindingsSurviveARestart(t *testing.T) {
	path := file(t)
	s := open(t, path)
	b := registrar.Binding{ID: registrar.ID{Key: registrar.Key{Tenant: "default", Device: "anna"}, Contact: "sip:a@1.2.3.4"}, URI: "sip:a@1.2.3.4", Path: []string{"<sip:p;lr>"}, Expires: t0, CSeq: math.MaxUint32}
	other := b
	other.Device = "bob"
	if err := s.SaveBindings(t.Context(), []registrar.Binding{b, other}); err != nil {
		t.Fatal(err)
	}
	b.CSeq = 7
	if err := errors.Join(s.SaveBindings(t.Context(), []registrar.Binding{b}), s.DeleteBindings(t.Context(), []registrar.ID{other.ID, {Contact: "none"}}), s.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, path).LoadBindings(t.Context())
	if err != nil || len(got) != 1 || got[0].CSeq != 7 || got[0].Device != "anna" || !got[0].Expires.Equal(b.Expires) || got[0].Path[0] != b.Path[0] {
		t.Errorf("%+v %v", got, err)
	}
}

func TestResourcesHaveRevisionsAndHistory(t *testing.T) {
	path := file(t)
	s := open(t, path)
	parse := func(text string) []resource.Document {
		docs, err := resource.ParseYAML(strings.NewReader(text), "t")
		if err != nil {
			t.Fatal(err)
		}
		return docs
	}
	empty, err := s.Load(t.Context())
	if err != nil || empty.Revision != 0 {
		t.Fatal(empty, err)
	}
	one := resource.Seal(resource.Merge(empty, parse("kind: device\nname: d\nspec: {password: hush}\n---\nkind: user\nname: u\nspec: {wrap_up: 0s, skills: {a: 0}}\n"), false), "r")
	rev, err := s.Apply(t.Context(), one, "test", "cli")
	if err != nil || rev != 1 {
		t.Fatal(rev, err)
	}
	if _, err := s.Apply(t.Context(), resource.EmptySet(), "late", "cli"); !errors.Is(err, ErrConflict) {
		t.Errorf("an apply on an old revision: %v", err)
	}
	s.Close(t.Context())
	s = open(t, path)
	live, err := s.Load(t.Context())
	if err != nil || live.Revision != 1 {
		t.Fatal(live, err)
	}
	if c := resource.Diff(one, live); len(c) != 0 {
		t.Errorf("stored differs: %v", c)
	}
	if rev, err := s.Apply(t.Context(), live, "same", "cli"); rev != 1 || err != nil {
		t.Errorf("an apply of nothing: %d %v", rev, err)
	}
	two := resource.Merge(live, parse("kind: user\nname: v\n"), true)
	if rev, err := s.Apply(t.Context(), two, "prune", "cli"); rev != 2 || err != nil {
		t.Fatal(rev, err)
	}
	h, err := s.History(t.Context(), "default", resource.KindUser, "u")
	if err != nil || len(h) != 2 || h[0].Op != resource.OpRemove || h[1].By != "test" {
		t.Errorf("%+v %v", h, err)
	}
	data, _ := os.ReadFile(path)
	if strings.Contains(string(data), "hush") {
		t.Error("the password is in the file")
	}
}

func TestAppendBlocksWhenFullAndNeverDrops(t *testing.T) {
	s, err := Open(t.Context(), file(t), Options{Queue: 10, FlushEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		s.Append(event.Event{At: t0, Tenant: "default", CallID: "c", Body: event.LegRinging{Leg: i}})
	}
	s.Sync()
	if ev, _ := s.Events(t.Context(), "default", "c"); len(ev) != 500 {
		t.Errorf("%d events", len(ev))
	}
	if err := errors.Join(s.Close(t.Context()), s.Close(t.Context())); err != nil {
		t.Error(err)
	}
	if err := s.Sync(); !errors.Is(err, ErrClosed) {
		t.Errorf("Sync after Close: %v", err)
	}
}

// Every SQL text of this package that touches a table of tenants names the
// tenant: in WHERE (tenant = ?), or as a column written. What serves all
// tenants on purpose says "-- all tenants: why".
func TestEveryQueryNamesTheTenant(t *testing.T) {
	fset := token.NewFileSet()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	statement := regexp.MustCompile(`(?i)^\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH)\b|^-- all tenants`)
	checked := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, _ := strconv.Unquote(lit.Value)
			if !statement.MatchString(text) {
				return true
			}
			if fault := tenantFault(text); fault != "" {
				t.Errorf("%s: %s: %s", fset.Position(lit.Pos()), fault, text)
			}
			checked++
			return true
		})
	}
	if checked < 15 {
		t.Errorf("only %d statements found: the test no longer sees them", checked)
	}
	for _, bad := range []string{`SELECT * FROM calls WHERE id = ?`, `DELETE FROM bindings WHERE device = ?`, `UPDATE recordings SET closed = 1 WHERE tenant <> ?`, `INSERT INTO events (seq) VALUES (?)`, `SELECT tenant FROM calls`} {
		if tenantFault(bad) == "" {
			t.Errorf("the test does not see %q", bad)
		}
	}
}

func tenantFault(text string) string {
	if strings.Contains(text, "-- all tenants: ") {
		return ""
	}
	touched := false
	for _, table := range tenantTables {
		touched = touched || regexp.MustCompile(`(?i)\b(FROM|INTO|UPDATE|JOIN)\s+`+table+`\b`).MatchString(text)
	}
	if !touched {
		return ""
	}
	if regexp.MustCompile(`(?i)^\s*INSERT INTO \w+ \([^)]*\btenant\b`).MatchString(text) {
		return ""
	}
	if regexp.MustCompile(`(?i)\bWHERE\b.*\btenant = \?`).MatchString(strings.ReplaceAll(text, "\n", " ")) {
		return ""
	}
	return "no tenant"
}

func BenchmarkAppend(b *testing.B) {
	s := open(b, file(b))
	body := event.LegStarted{Leg: 1, Device: "agent123", Agent: "agent123", SIPCallID: "0198c0de-7000-7000-8000-000000000000@127.0.0.1"}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Append(event.Event{At: t0, Tenant: "default", CallID: fmt.Sprintf("0198c0de-%08d", i/20), Body: body})
	}
	if err := s.Sync(); err != nil {
		b.Fatal(err)
	}
}

// A whole call as the journal sees it: 22 events, a record at start and end,
// Sync before the end is told. 250 of these a second is the aim.
func BenchmarkCall(b *testing.B) {
	s := open(b, file(b))
	for i := 0; b.Loop(); i++ {
		id := fmt.Sprintf("0198c0de-%08d", i)
		s.Append(event.Event{At: t0, Tenant: "default", CallID: id, Body: event.CallStarted{From: "user1", To: "2000", SIPCallID: id}})
		for range 20 {
			s.Append(event.Event{At: t0, Tenant: "default", CallID: id, Body: event.SegmentStarted{Segment: event.SegmentWaiting, Queue: "q", Agent: "agent1"}})
		}
		s.Append(event.Event{At: t0, Tenant: "default", CallID: id, Body: event.CallEnded{Result: event.ResultCaller}})
	}
	if err := s.Sync(); err != nil {
		b.Fatal(err)
	}
}

func TestDoNotDisturbOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "centrala.db")
	s := open(t, path)
	ctx := context.Background()
	for _, k := range [][2]string{{"default", "bob"}, {"other", "bob"}, {"default", "carol"}} {
		if err := s.SetDND(ctx, k[0], k[1], true); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetDND(ctx, "default", "bob", true); err != nil { // twice
		t.Fatal(err)
	}
	if err := s.SetDND(ctx, "default", "carol", false); err != nil {
		t.Fatal(err)
	}
	check := func(s *Store) {
		t.Helper()
		if !s.DND("default", "bob") || !s.DND("other", "bob") || s.DND("default", "carol") || s.DND("third", "bob") {
			t.Error("not what was set")
		}
	}
	check(s)
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	check(open(t, path))
}
