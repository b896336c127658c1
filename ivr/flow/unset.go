package flow

// unset finds variables that are spoken, sent or dialled at a step to which no way leads
// on which they were set: whatever the caller does, they are empty there. Comparing such
// a variable is allowed: it is the empty text.
func (c *checker) unset(reached map[string][]string) {
	names := map[string]int{} // of variables that steps set, by bit
	for _, name := range c.f.Order {
		for _, s := range c.f.Steps[name].of().set {
			if _, there := names[s.name]; !there {
				names[s.name] = len(names)
			}
		}
	}
	words := (len(names) + 63) / 64
	if words == 0 {
		return
	}
	// may[s] has a bit for each variable that was set on some way to s; a step is looked
	// at again when it has learned more.
	may := make(map[string][]uint64, len(reached))
	work := []string{c.f.Start}
	may[c.f.Start] = make([]uint64, words)
	after := make([]uint64, words)
	for len(work) > 0 {
		s := c.f.Steps[work[len(work)-1]]
		work = work[:len(work)-1]
		copy(after, may[s.Name])
		for _, v := range s.of().set {
			after[names[v.name]/64] |= 1 << (names[v.name] % 64)
		}
		for _, e := range s.edges() {
			to, known := may[e.to]
			if !known {
				to = make([]uint64, words)
				may[e.to] = to
			}
			more := !known
			for i, w := range after {
				if to[i]|w != to[i] {
					to[i] |= w
					more = true
				}
			}
			if more {
				work = append(work, e.to)
			}
		}
	}
	for _, name := range c.f.Order {
		set, ok := may[name]
		if !ok {
			continue // told as unreachable
		}
		t := c.f.Steps[name].of()
		for _, u := range t.used {
			if u.own {
				continue // set by the step itself before it is used
			}
			if u.how == useCompared {
				continue
			}
			used, _ := variablesOf(u.text)
			for _, v := range used {
				bit, steps := names[v]
				if _, declared := c.f.Variables[v]; !steps || declared || set[bit/64]&(1<<(bit%64)) != 0 {
					continue // by a flow before, or by a step on the way
				}
				c.fault("steps."+name+"."+u.path, "nothing sets the variable %q on any way to this step", v)
			}
		}
	}
}
