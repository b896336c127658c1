package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/media/music"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/pkg/config"
)

// startMusic brings up the sources of music that the node file names. They are quiet
// until somebody listens.
func (a *App) startMusic(context.Context) error {
	m := music.NewMetrics(a.opts.Registerer)
	var sources []*music.Source
	a.onStop("music", func(ctx context.Context) error {
		var errs []error
		for _, s := range sources {
			errs = append(errs, s.Stop(ctx))
		}
		return errors.Join(errs...)
	})
	a.music = map[string]*play.Clip{}
	for _, spec := range a.cfg.Prompts.Music {
		c := music.Config{Name: spec.Name, Loudness: float64(a.cfg.Prompts.Loudness), Log: a.log.Named("music"), Fallback: func() *play.Clip { return a.musicFallback(spec) }}
		if spec.URL != "" {
			c.Open = music.Broadcast(spec.URL)
		} else {
			c.Shuffle = spec.Shuffle
			c.List = func() []string { return a.musicFiles(spec.Files) }
			c.Load = a.musicFile
		}
		s, err := music.Start(c, m)
		if err != nil {
			return err
		}
		sources = append(sources, s)
		a.music[spec.Name] = s.Clip()
	}
	return nil
}

// musicFallback is the prompt that is heard while a source is away, nil when it
// cannot be read.
func (a *App) musicFallback(spec config.Music) *play.Clip {
	name := spec.Fallback
	if name == "" {
		name = "music"
	}
	rc, _, err := prompt.NewSet(prompt.Embedded(), a.cfg.PromptsDir(), nil).Open(name, prompt.AnyLanguage)
	if err == nil {
		defer rc.Close()
		var c *play.Clip
		if c, err = play.Load(rc, name); err == nil {
			return a.evened(c)
		}
	}
	a.log.Warn("fallback of a music source not playable", zap.String("source", spec.Name), zap.String("prompt", name), zap.Error(err))
	return nil
}

func (a *App) evened(c *play.Clip) *play.Clip {
	if to := a.cfg.Prompts.Loudness; to != 0 {
		return c.Even(float64(to))
	}
	return c
}

// musicFile reads one file of a list. It is kept by nobody: a list may be long.
func (a *App) musicFile(name string) (*play.Clip, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	c, err := play.Load(f, filepath.Base(name))
	if err != nil {
		return nil, err
	}
	return a.evened(c), nil
}

// musicFiles are the files of a list as they are now, folders in the order of names.
func (a *App) musicFiles(entries []string) (files []string) {
	for _, e := range entries {
		if !filepath.IsAbs(e) {
			e = filepath.Join(a.cfg.PromptsDir(), e)
		}
		if info, err := os.Stat(e); err != nil || !info.IsDir() {
			files = append(files, e) // what is not there is told when it is to be played
			continue
		}
		_ = filepath.WalkDir(e, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && slices.Contains([]string{".wav", ".flac", ".opus", ".ogg", ".mp3"}, strings.ToLower(filepath.Ext(path))) {
				files = append(files, path)
			}
			return nil
		})
	}
	return files
}
