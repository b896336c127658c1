package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/store"
)

// OpenRecording implements api.Sounds. The file is opened below the folder of
// recordings and nowhere else, whatever the index says and whichever links lie there.
func (a *App) OpenRecording(ctx context.Context, tenant, id string) (api.Sound, error) {
	r, err := a.store.Recording(ctx, tenant, id)
	if errors.Is(err, store.ErrNotFound) {
		return api.Sound{}, fmt.Errorf("recording %q: %w", id, api.ErrNotFound)
	}
	if err != nil {
		return api.Sound{}, err
	}
	root, err := os.OpenRoot(a.cfg.RecordingsDir())
	if err != nil {
		return api.Sound{}, err
	}
	defer root.Close()
	f, err := root.Open(r.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return api.Sound{}, fmt.Errorf("recording %q: its file: %w", id, api.ErrNotFound)
	}
	if err != nil {
		return api.Sound{}, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return api.Sound{}, err
	}
	return api.Sound{ReadSeekCloser: f, Name: r.Path, CallID: r.CallID, Modified: st.ModTime(), Size: st.Size()}, nil
}
