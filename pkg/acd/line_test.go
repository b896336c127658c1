package acd

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestLineIsASortedList: whoever joins and leaves, in whatever order, the line is a
// sorted list with positions, and its tree is sound.
func TestLineIsASortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l line
		var all []*caller
		front := rapid.IntRange(0, 2).Draw(t, "who leaves") // the first, the last, anybody
		for i := range rapid.IntRange(1, 700).Draw(t, "steps") {
			if len(all) > 0 && rapid.IntRange(0, 99).Draw(t, "leave") < 45 {
				at := 0
				switch front {
				case 1:
					at = len(all) - 1
				case 2:
					at = rapid.IntRange(0, len(all)-1).Draw(t, "at")
				}
				l.remove(all[at])
				all = slices.Delete(all, at, at+1)
			} else {
				c := &caller{strict: rapid.IntRange(-1, 1).Draw(t, "strict"), key: int64(rapid.IntRange(0, 20).Draw(t, "key")), seq: uint64(i + 1)}
				l.insert(c)
				at, _ := slices.BinarySearchFunc(all, c, func(a, b *caller) int {
					if a.before(b) {
						return -1
					}
					return 1
				})
				all = slices.Insert(all, at, c)
			}
			if l.len() != len(all) {
				t.Fatalf("%d in line, want %d", l.len(), len(all))
			}
			if i%50 != 0 {
				continue
			}
			c := l.first()
			for n, want := range all {
				if c != want || l.position(c) != n+1 {
					t.Fatalf("at %d: %+v, want %+v; told %d", n, c, want, l.position(c))
				}
				c = l.next(c)
			}
			if c != nil {
				t.Fatal("the line goes on behind its end")
			}
			if l.root != nil {
				if n, _ := sound(t, l.root); n != len(all) {
					t.Fatalf("the tree counts %d of %d", n, len(all))
				}
			}
		}
	})
}

// sound counts callers and height under a knot and checks what links them.
func sound(t *rapid.T, k *knot) (n, height int) {
	if k.n >= lineFan || k.n == 0 && k.up != nil {
		t.Fatalf("a knot of %d", k.n)
	}
	if k.fork == nil {
		for i := range k.n {
			if k.slots[i].x.leaf != k {
				t.Fatal("a caller knows another leaf")
			}
		}
		return k.n, 1
	}
	for i, kid := range k.fork.kids[:k.n] {
		if kid.up != k || kid.at != i {
			t.Fatal("a kid knows another parent")
		}
		m, h := sound(t, kid)
		if m != k.fork.count[i] {
			t.Fatalf("counted %d, told %d", m, k.fork.count[i])
		}
		if i > 0 && h != height {
			t.Fatal("leaves at different heights")
		}
		n, height = n+m, h
	}
	return n, height + 1
}
