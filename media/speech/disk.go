package speech

import (
	"container/list"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// suffix of what was made; the name before it is the key. What it holds is what the
// engine gave, of whatever format.
const suffix = ".sound"

// disk is a folder of sound files by key, bounded in bytes. Its order of use
// survives a restart in the files' times.
type disk struct {
	dir string
	max int64

	mu      sync.Mutex
	used    int64
	entries map[string]*list.Element // of file
	recent  *list.List               // front: asked for last
}

type file struct {
	key  string
	size int64
}

func openDisk(dir string, limit int64) (*disk, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("speech: %w", err)
	}
	found, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("speech: %w", err)
	}
	d := &disk{dir: dir, max: limit, entries: map[string]*list.Element{}, recent: list.New()}
	var infos []fs.FileInfo
	for _, e := range found {
		if strings.HasSuffix(e.Name(), ".part") { // of a process that was killed
			_ = os.Remove(filepath.Join(dir, e.Name()))
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && strings.HasSuffix(e.Name(), suffix) {
			infos = append(infos, info)
		}
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range infos {
		d.add(file{strings.TrimSuffix(info.Name(), suffix), info.Size()})
	}
	return d, nil
}

func (d *disk) path(key string) string { return filepath.Join(d.dir, key+suffix) }

// add takes a file in and removes those that were not asked for longest.
func (d *disk) add(f file) {
	d.mu.Lock()
	d.forget(f.key)
	d.entries[f.key] = d.recent.PushFront(f)
	d.used += f.size
	var gone []string
	for d.used > d.max && d.recent.Len() > 0 {
		old := d.recent.Back().Value.(file).key
		d.forget(old)
		gone = append(gone, old)
	}
	d.mu.Unlock()
	for _, key := range gone {
		_ = os.Remove(d.path(key))
	}
}

// forget is for who holds mu.
func (d *disk) forget(key string) {
	if el, ok := d.entries[key]; ok {
		d.used -= d.recent.Remove(el).(file).size
		delete(d.entries, key)
	}
}

func (d *disk) get(key string) ([]byte, bool) {
	d.mu.Lock()
	el, ok := d.entries[key]
	if ok {
		d.recent.MoveToFront(el)
	}
	d.mu.Unlock()
	if !ok {
		return nil, false
	}
	b, err := os.ReadFile(d.path(key))
	if err != nil {
		d.drop(key)
		return nil, false
	}
	now := time.Now()
	_ = os.Chtimes(d.path(key), now, now)
	return b, true
}

func (d *disk) drop(key string) {
	d.mu.Lock()
	d.forget(key)
	d.mu.Unlock()
	_ = os.Remove(d.path(key))
}

// put writes beside and renames, so that a file is whole or not there.
func (d *disk) put(key string, b []byte) error {
	if int64(len(b)) > d.max {
		return nil // it would push everything else out
	}
	f, err := os.CreateTemp(d.dir, "*.part")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), d.path(key))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	d.add(file{key, int64(len(b))})
	return nil
}

func (d *disk) bytes() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}
