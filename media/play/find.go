package play

// Find is the clip of key when it is cached, else nil. It does not wait for one that
// is being read.
func (l *Library) Find(key string) *Clip {
	l.mu.Lock()
	defer l.mu.Unlock()
	el, ok := l.entries[key]
	if !ok {
		return nil
	}
	l.recent.MoveToFront(el)
	return el.Value.(*entry).clip
}
