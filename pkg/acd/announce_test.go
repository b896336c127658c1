package acd

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// heard lists what callers were told, by second.
func heard(s *score, until int, acts map[int][]any) []string {
	var out []string
	for sec := range until + 1 {
		s.out = nil
		s.at(fmt.Sprint(sec, "s"), acts[sec]...)
		for _, f := range s.out {
			if f, ok := f.(Announce); ok {
				out = append(out, fmt.Sprintf("%d %s %b", sec, f.CallID, f.Items))
			}
		}
	}
	return out
}

// TestItemsWithTimesOfTheirOwn: each item comes when its own time does; those due
// together come together.
func TestItemsWithTimesOfTheirOwn(t *testing.T) {
	s := newScore(t, sales(func(q *Queue) {
		q.Announce = []AnnounceTime{{2 * time.Second, 10 * time.Second}, {5 * time.Second, 0}, {12 * time.Second, 20 * time.Second}, {-1, time.Second}}
	}), people("ana"))
	got := heard(s, 34, map[int][]any{0: {enter("c1", "sales")}})
	if want := []string{"2 c1 1", "5 c1 10", "12 c1 101", "22 c1 1", "32 c1 101"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestItemsWaitForAPhone: what is due while a phone rings is told once the caller
// waits again, together, and its next time counts from then.
func TestItemsWaitForAPhone(t *testing.T) {
	s := newScore(t, sales(func(q *Queue) {
		q.LeaveWhenEmpty, q.RingTimeout = false, 15*time.Second
		q.Announce = []AnnounceTime{{3 * time.Second, 10 * time.Second}, {6 * time.Second, 30 * time.Second}}
	}), people("ana"))
	got := heard(s, 30, map[int][]any{0: {login("ana"), enter("c1", "sales"), ring("c1")}})
	if want := []string{"15 c1 11", "25 c1 1"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestItemsChangeUnderWay: a new list holds for who waits; what would have come before
// now is not made up for.
func TestItemsChangeUnderWay(t *testing.T) {
	list := func(times ...AnnounceTime) Configure {
		return Configure{Queues: sales(func(q *Queue) { q.Announce = times }), Agents: people("ana")}
	}
	s := newScore(t, list(AnnounceTime{2 * time.Second, 60 * time.Second}).Queues, people("ana"))
	change := list(AnnounceTime{1 * time.Second, 0}, AnnounceTime{4 * time.Second, 8 * time.Second}, AnnounceTime{15 * time.Second, 0})
	got := heard(s, 60, map[int][]any{0: {enter("c1", "sales")}, 10: {change}, 40: {list()}})
	if want := []string{"2 c1 1", "15 c1 100", "18 c1 10", "26 c1 10", "34 c1 10"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
