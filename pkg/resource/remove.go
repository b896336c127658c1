package resource

// Without returns live without one resource; live is not changed. A tenant takes
// nothing with it: Check tells what still names it.
func Without(live *Set, kind Kind, k Key) *Set {
	out := live.clone()
	out.remove(ref{kind, k})
	return out
}
