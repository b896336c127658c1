package store

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/centrala/centrala/pkg/event"
)

// The end of the journal that is kept in memory says what the file says, for any
// range, tenant and kinds, also where the ring has gone round and for what was
// there before the process.
func TestTailIsTheFile(t *testing.T) {
	path := file(t)
	s := open(t, path)
	fill := func(n int) {
		for i := range n {
			tenant := [...]string{"default", "other"}[i%2]
			var b event.Body = event.SegmentStarted{Segment: event.SegmentWaiting, Queue: "q"}
			if i%3 == 0 {
				b = event.CallStarted{From: "user1", To: "2000"}
			}
			s.Append(event.Event{At: t0, Tenant: tenant, CallID: "c", Body: b})
		}
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	fill(100)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if last, _ := s.LastSeq(t.Context()); last != 100 {
		t.Fatalf("last of an old journal: %d", last)
	}
	kinds := []string{event.CallStarted{}.Kind(), event.SegmentStarted{}.Kind()}
	r := rand.New(rand.NewPCG(1, 2))
	fromMemory := 0
	for _, n := range []int{1, 500, tailSize, tailSize / 2} {
		fill(n)
		last, _ := s.LastSeq(t.Context())
		for range 50 {
			from := 1 + r.Uint64N(last)
			if r.IntN(2) == 0 {
				from = last - min(r.Uint64N(2000), last-1)
			}
			to, limit := from+r.Uint64N(300), 1+r.IntN(400)
			tenant := [...]string{"", "default", "other"}[r.IntN(3)]
			of := kinds[:1+r.IntN(2)]
			got, ok := s.tail.read(tenant, from, to, limit, of)
			want, err := s.journalFile(t.Context(), tenant, from, to, limit, of)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				if got, _ := s.JournalOf(t.Context(), tenant, from, to, limit, of); !reflect.DeepEqual(got, want) {
					t.Fatalf("%d-%d from the file: %d events, want %d", from, to, len(got), len(want))
				}
				continue
			}
			fromMemory++
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%d-%d of %q, %d at most: %v, want %v", from, to, tenant, limit, got, want)
			}
		}
	}
	if fromMemory < 50 {
		t.Errorf("only %d answers from memory", fromMemory)
	}
}
