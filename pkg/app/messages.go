package app

import (
	"os"

	"github.com/centrala/centrala/media/play"
)

// recordingFiles are the files of recordings, for flows that let a message be heard
// again, or throw it away.
type recordingFiles struct{ dir string }

// Clip implements call.Messages. A message is read anew each time: it is heard once or
// twice and then, if ever, next week.
func (r recordingFiles) Clip(path string) (*play.Clip, error) {
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return play.Load(f, path)
}

// Drop implements call.Messages.
func (r recordingFiles) Drop(path string) error {
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return root.Remove(path)
}
