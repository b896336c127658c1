package play

import (
	"container/list"
	"fmt"
	"io"
	"sync"
)

// Library is a cache of clips by key, bounded in bytes: the clips not asked for
// longest are forgotten first (those who play them keep them alive). Methods
// may be called from any goroutine.
type Library struct {
	max      int64
	loudness float64 // 0: clips stay as they are

	mu      sync.Mutex
	used    int64
	entries map[string]*list.Element // of *entry, loaded ones only
	recent  *list.List               // front: asked for last
	loading map[string]*entry
}

type entry struct {
	key   string
	ready chan struct{} // closed when clip and err are set
	clip  *Clip
	err   error
}

// NewLibrary returns a cache that keeps at most maxBytes of clips, counting linear
// sound and all encodings (44 kB a second, 76 with wideband sound). A clip larger
// than that is still returned, but not kept. Clips are brought to loudness in
// LUFS (see Clip.Even); 0 leaves them as they are.
func NewLibrary(maxBytes int64, loudness float64) *Library {
	return &Library{max: maxBytes, loudness: loudness, entries: map[string]*list.Element{}, recent: list.New(), loading: map[string]*entry{}}
}

// Get returns the clip of key. When it is not cached, open is called, the file
// read by Load and closed; callers who ask for the same key meanwhile wait for
// that one reading. An error is told to all who waited and not kept. The key
// must change when the file does.
func (l *Library) Get(key string, open func() (io.ReadCloser, error)) (*Clip, error) {
	l.mu.Lock()
	if el, ok := l.entries[key]; ok {
		l.recent.MoveToFront(el)
		l.mu.Unlock()
		return el.Value.(*entry).clip, nil
	}
	if e, ok := l.loading[key]; ok {
		l.mu.Unlock()
		<-e.ready
		return e.clip, e.err
	}
	e := &entry{key: key, ready: make(chan struct{}), err: fmt.Errorf("play: %q: reading it panicked", key)}
	l.loading[key] = e
	l.mu.Unlock()
	defer l.loaded(e) // also when open panics, so that nobody waits for ever
	if e.clip, e.err = load(key, open); e.err == nil && l.loudness != 0 {
		e.clip = e.clip.Even(l.loudness)
	}
	return e.clip, e.err
}

func load(key string, open func() (io.ReadCloser, error)) (*Clip, error) {
	f, err := open()
	if err != nil {
		return nil, fmt.Errorf("play: %q: %w", key, err)
	}
	defer f.Close()
	return Load(f, key)
}

func (l *Library) loaded(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(e.ready)
	delete(l.loading, e.key)
	if e.err != nil || e.clip.bytes() > l.max {
		return
	}
	l.entries[e.key] = l.recent.PushFront(e)
	l.used += e.clip.bytes()
	for l.used > l.max {
		oldest := l.recent.Back()
		old := l.recent.Remove(oldest).(*entry)
		delete(l.entries, old.key)
		l.used -= old.clip.bytes()
	}
}

// Bytes is what the cached clips may occupy.
func (l *Library) Bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.used
}

// Purge forgets every clip; a reading under way is kept.
func (l *Library) Purge() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.entries)
	l.recent.Init()
	l.used = 0
}
