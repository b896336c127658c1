package mail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// In the queue's folder a message is ID.json, and its attachments ID.0, ID.1 ... The
// JSON is written last and removed first: a file without one belongs to nothing.

func attachment(id string, i int) string { return id + "." + strconv.Itoa(i) }

// write puts a message on disk.
func (q *Queue) write(e *entry) (err error) {
	defer func() {
		if err != nil {
			q.remove(e)
		}
	}()
	for i, a := range e.Message.Attachments {
		if err := q.copyIn(a.Path, attachment(e.ID, i)); err != nil {
			return fmt.Errorf("mail: attachment %q: %w", a.Name, err)
		}
	}
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	part := e.ID + ".part"
	if err := q.create(part, func(f *os.File) error {
		if _, err := f.Write(b); err != nil {
			return err
		}
		return f.Sync()
	}); err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	if err := q.root.Rename(part, e.ID+".json"); err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	return nil
}

func (q *Queue) create(name string, fill func(f *os.File) error) error {
	f, err := q.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	return errors.Join(fill(f), f.Close())
}

func (q *Queue) copyIn(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	return q.create(to, func(f *os.File) error {
		n, err := io.Copy(f, io.LimitReader(src, MaxAttached+1))
		if err == nil && n > MaxAttached {
			return fmt.Errorf("%w: it has grown beyond %d bytes", ErrInvalid, MaxAttached)
		}
		return err
	})
}

// withPaths is the message with the copies of its attachments.
func (q *Queue) withPaths(e *entry) Message {
	m := e.Message
	m.Attachments = slices.Clone(m.Attachments)
	for i := range m.Attachments {
		m.Attachments[i].Path = filepath.Join(q.cfg.Dir, attachment(e.ID, i))
	}
	return m
}

// remove takes a message's files away.
func (q *Queue) remove(e *entry) {
	names := []string{e.ID + ".json", e.ID + ".part"}
	for i := range e.Message.Attachments {
		names = append(names, attachment(e.ID, i))
	}
	for _, n := range names {
		if err := q.root.Remove(n); err != nil && !errors.Is(err, fs.ErrNotExist) {
			q.log.Warn("file of a mail not removed", zap.String("file", n), zap.Error(err))
		}
	}
}

// load reads what an earlier process left.
func (q *Queue) load() error {
	files, err := fs.ReadDir(q.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	kept := map[string]bool{}
	for _, f := range files {
		id, ok := strings.CutSuffix(f.Name(), ".json")
		if !ok {
			continue
		}
		e := &entry{}
		b, err := fs.ReadFile(q.root.FS(), f.Name())
		if err == nil {
			err = json.Unmarshal(b, e)
		}
		if err != nil || e.ID != id {
			q.log.Error("mail in the queue cannot be read, it stays there", zap.String("file", f.Name()), zap.Error(err))
			kept[id] = true
			continue
		}
		e.size, e.due = int64(len(b)), time.Now()
		for i := range e.Message.Attachments {
			if st, err := q.root.Stat(attachment(id, i)); err == nil {
				e.size += st.Size()
			}
		}
		kept[id] = true
		q.entries, q.bytes = append(q.entries, e), q.bytes+e.size
	}
	for _, f := range files { // of a write that was cut
		if id, _, _ := strings.Cut(f.Name(), "."); !kept[id] {
			_ = q.root.Remove(f.Name())
		}
	}
	return nil
}
