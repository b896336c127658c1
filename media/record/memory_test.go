//go:build unix

package record

import (
	"runtime"
	"testing"
)

// TestRingsAreOutsideTheHeap: five hundred recordings' rings are not the collector's,
// they are each one's own, and what a burst took beyond maxSpare goes back.
func TestRingsAreOutsideTheHeap(t *testing.T) {
	count := func() (n int) {
		mapped.Range(func(any, any) bool { n++; return true })
		return n
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var s store
	was := count()
	all := make([][]byte, 500)
	for i := range all {
		all[i] = s.Get(2 * ringSamples)
		all[i][0], all[i][len(all[i])-1] = byte(i), byte(i>>8)
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.TotalAlloc) - int64(before.TotalAlloc); grown > 1<<20 {
		t.Errorf("%d octets of the heap for %d rings", grown, len(all))
	}
	for i, r := range all {
		if r[0] != byte(i) || r[len(r)-1] != byte(i>>8) {
			t.Fatalf("ring %d is another's", i)
		}
	}
	if n := count() - was; n != len(all) {
		t.Errorf("%d mapped, want %d", n, len(all))
	}
	for _, r := range all {
		s.Put(r)
	}
	if n := count() - was; n != maxSpare/(2*ringSamples) {
		t.Errorf("%d kept, want %d", n, maxSpare/(2*ringSamples))
	}
	if r := s.Get(2 * ringSamples); r == nil || count()-was != maxSpare/(2*ringSamples) {
		t.Error("a kept one was not used")
	}
}
