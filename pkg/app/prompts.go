package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/speech"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/store"
)

// Where versions of prompts come from, as the store and the journal name it.
const (
	fromUpload = "upload"
	fromPhone  = "phone"
	fromText   = "text"
)

// maxVersions of one prompt in one language: the oldest not in use go first.
const maxVersions = 20

var (
	promptName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	promptLang = regexp.MustCompile(`^([a-z]{2,3}(-[A-Z]{2})?|any)$`)
)

// kept is the folder of what people uploaded, recorded by phone or had synthesised:
// TENANT/LANGUAGE/NAME.wav is what callers hear (package prompt looks there first),
// TENANT/versions holds every version under a name of its own. The first is a link
// to one of the second, so that a version is put into use by one rename.
type kept struct {
	dir string
	mu  sync.Mutex // one change at a time
}

// keptDir is the folder of a tenant in the folder of prompts.
func keptDir(promptsDir, tenant string) string {
	if promptsDir == "" {
		return ""
	}
	return filepath.Join(promptsDir, ".kept", tenant)
}

func heardPath(name, language string) string { return filepath.Join(language, name+".wav") }

// put writes a version's file; its path is relative to the tenant's folder.
func (k *kept) put(tenant, name, language string, at time.Time, wav []byte) (path string, sum string, err error) {
	h := sha256.Sum256(wav)
	sum = hex.EncodeToString(h[:])
	path = filepath.Join("versions", fmt.Sprintf("%s.%s.%s.%s.wav", name, language, at.UTC().Format("20060102T150405.000"), sum[:8]))
	dir := filepath.Join(k.dir, tenant)
	if err := os.MkdirAll(filepath.Join(dir, "versions"), 0o750); err != nil {
		return "", "", fmt.Errorf("prompts: %w", err)
	}
	return path, sum, writeSynced(filepath.Join(dir, path), wav)
}

// writeSynced writes a whole file or none.
func writeSynced(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("prompts: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o640), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("prompts: %w", err)
	}
	return nil
}

// use lets callers hear a version's file; path "" = none.
func (k *kept) use(tenant, name, language, path string) error {
	dir := filepath.Join(k.dir, tenant)
	heard := filepath.Join(dir, heardPath(name, language))
	if path == "" {
		if err := os.Remove(heard); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("prompts: %w", err)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(heard), 0o750); err != nil {
		return fmt.Errorf("prompts: %w", err)
	}
	link := heard + ".new"
	os.Remove(link) // of a process that was killed
	if err := os.Link(filepath.Join(dir, path), link); err != nil {
		data, rerr := os.ReadFile(filepath.Join(dir, path)) // a file system without links
		if rerr != nil {
			return fmt.Errorf("prompts: %w", rerr)
		}
		return writeSynced(heard, data)
	}
	if err := os.Rename(link, heard); err != nil {
		return fmt.Errorf("prompts: %w", err)
	}
	os.Remove(link) // a rename of two links to one file leaves both
	return nil
}

// startPrompts makes the folder agree with the store, which has the last word: a
// process may have been killed between the two.
func (a *App) startPrompts(ctx context.Context) error {
	a.kept = &kept{dir: filepath.Join(a.cfg.PromptsDir(), ".kept")}
	list, err := a.store.PromptsInUse(ctx)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, v := range list {
		heard := filepath.Join(a.kept.dir, v.Tenant, heardPath(v.Name, v.Language))
		wanted[heard] = true
		have, err1 := os.Stat(heard)
		want, err2 := os.Stat(filepath.Join(a.kept.dir, v.Tenant, v.Path))
		if err2 != nil {
			a.log.Error("the file of a prompt is gone; callers hear what there is besides", zap.String("tenant", v.Tenant), zap.String("prompt", v.Name),
				zap.String("language", v.Language), zap.Int("version", v.Version), zap.Error(err2))
			continue
		}
		if err1 == nil && (os.SameFile(have, want) || have.Size() == want.Size() && have.ModTime().Equal(want.ModTime())) {
			continue
		}
		if err := a.kept.use(v.Tenant, v.Name, v.Language, v.Path); err != nil {
			a.log.Error("prompt not put into use", zap.String("tenant", v.Tenant), zap.String("prompt", v.Name), zap.Error(err))
		}
	}
	files, _ := filepath.Glob(filepath.Join(a.kept.dir, "*", "*", "*.wav"))
	for _, f := range files {
		if filepath.Base(filepath.Dir(f)) != "versions" && !wanted[f] {
			os.Remove(f)
		}
	}
	return nil
}

// forget lets a house read a prompt's files again.
func (h *house) forget(name string) {
	h.clipsGen.Add(1)
	h.clips.Range(func(k, _ any) bool {
		if k.(clipKey).name == name {
			h.clips.Delete(k)
		}
		return true
	})
}

func (a *App) promptHouse(tenant, name string) (*house, error) {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return nil, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	if name != "" && !promptName.MatchString(name) {
		return nil, fmt.Errorf("%w: name: want lower case letters, digits, - and _, up to 64", api.ErrInvalid)
	}
	return h, nil
}

// AddPrompt implements api.Prompts.
func (a *App) AddPrompt(ctx context.Context, tenant, name string, p api.NewPrompt) (api.PromptVersion, error) {
	source := fromUpload
	if p.Audio == nil {
		source = fromText
	}
	return a.addPrompt(ctx, tenant, name, source, p)
}

func (a *App) addPrompt(ctx context.Context, tenant, name, source string, p api.NewPrompt) (api.PromptVersion, error) {
	h, err := a.promptHouse(tenant, name)
	if err != nil {
		return api.PromptVersion{}, err
	}
	if !promptLang.MatchString(p.Language) {
		return api.PromptVersion{}, fmt.Errorf(`%w: language %q: want one such as ro, or "any"`, api.ErrInvalid, clipText(p.Language))
	}
	wav, d, err := a.promptSound(ctx, h, tenant, name, source, &p)
	if err != nil {
		return api.PromptVersion{}, err
	}
	a.kept.mu.Lock()
	defer a.kept.mu.Unlock()
	now := time.Now().UTC()
	path, sum, err := a.kept.put(tenant, name, p.Language, now, wav)
	if err != nil {
		return api.PromptVersion{}, err
	}
	v, err := a.store.AddPrompt(ctx, store.PromptVersion{Tenant: tenant, Name: name, Language: p.Language, At: now, By: p.By, Source: source, Text: p.Text,
		Path: path, SHA256: sum, Duration: d, Size: int64(len(wav))})
	if err != nil {
		os.Remove(filepath.Join(a.kept.dir, tenant, path))
		return api.PromptVersion{}, err
	}
	if err := a.heardFromNow(tenant, v, p.By); err != nil {
		return api.PromptVersion{}, err
	}
	a.dropOldVersions(ctx, tenant, name, p.Language)
	return promptVersion(v), nil
}

// promptSound is the sound of a new version as it is kept: mono WAV of 16 bits and
// 16 kHz, at the node's loudness.
func (a *App) promptSound(ctx context.Context, h *house, tenant, name, source string, p *api.NewPrompt) ([]byte, time.Duration, error) {
	var clip *play.Clip
	var err error
	if p.Audio != nil {
		if clip, err = play.Load(bytes.NewReader(p.Audio), name); err != nil {
			return nil, 0, fmt.Errorf("%w: %w; want WAV, FLAC, MP3 or Ogg Opus, of at most %v", api.ErrInvalid, err, play.MaxClip)
		}
	} else {
		if p.Text == "" {
			if spec := a.dir.Load().set.Prompts[resource.Key{Tenant: tenant, Name: name}]; spec != nil {
				p.Text = spec.Text[p.Language]
			}
		}
		if p.Text == "" {
			return nil, 0, fmt.Errorf("%w: text: missing, and the prompt's document has none in %q", api.ErrInvalid, p.Language)
		}
		clip, err = a.speech.Say(ctx, p.Text, p.Language)
		switch {
		case errors.Is(err, speech.ErrNoEngine):
			return nil, 0, fmt.Errorf("%w: %w", api.ErrConflict, err)
		case errors.Is(err, speech.ErrText):
			return nil, 0, fmt.Errorf("%w: %w", api.ErrInvalid, err)
		case err != nil:
			return nil, 0, fmt.Errorf("%w: %w", api.ErrConflict, err)
		}
	}
	pcm := clip.Even(float64(a.cfg.Prompts.Loudness)).Wide()
	if source == fromPhone {
		pcm = trimSilence(pcm)
	}
	if slices.IndexFunc(pcm, func(s int16) bool { return s > 30 || s < -30 }) < 0 {
		return nil, 0, fmt.Errorf("%w: the sound is silent", api.ErrInvalid)
	}
	return promptWAV(pcm), time.Duration(len(pcm)) * time.Second / promptRate, nil
}

// promptRate is that of kept prompts in Hz.
const promptRate = 16000

// trimSilence cuts what is quieter than -45 dB off both ends of what was recorded on
// a phone, up to a fifth of a second before the first and after the last sound.
func trimSilence(pcm []int16) []int16 {
	const quiet, keep = 184, promptRate / 5 // 32768 / 10^(45/20)
	loud := func(s int16) bool { return s > quiet || s < -quiet }
	first := slices.IndexFunc(pcm, loud)
	if first < 0 {
		return pcm
	}
	last := len(pcm) - 1
	for !loud(pcm[last]) {
		last--
	}
	return pcm[max(first-keep, 0):min(last+keep, len(pcm))]
}

func promptWAV(pcm []int16) []byte {
	var b bytes.Buffer
	put := func(v any) { binary.Write(&b, binary.LittleEndian, v) } // a Buffer does not fail
	b.WriteString("RIFF")
	put(uint32(36 + 2*len(pcm)))
	b.WriteString("WAVEfmt ")
	put([]uint32{16, 1 | 1<<16, promptRate, 2 * promptRate, 2 | 16<<16}) // PCM, mono, 16 bits
	b.WriteString("data")
	put(uint32(2 * len(pcm)))
	put(pcm)
	return b.Bytes()
}

// heardFromNow puts a version into use: its file, the houses, the journal.
func (a *App) heardFromNow(tenant string, v store.PromptVersion, by string) error {
	if err := a.kept.use(tenant, v.Name, v.Language, v.Path); err != nil {
		return err
	}
	if h := a.dir.Load().houses[tenant]; h != nil {
		h.forget(v.Name)
	}
	a.store.Append(event.Event{At: time.Now(), Tenant: tenant, Body: event.PromptChanged{Prompt: v.Name, Language: v.Language, Version: v.Version, Source: v.Source, By: by}})
	a.log.Info("prompt changed", zap.String("tenant", tenant), zap.String("prompt", v.Name), zap.String("language", v.Language), zap.Int("version", v.Version), zap.String("by", by))
	return nil
}

// dropOldVersions keeps a prompt's list short.
func (a *App) dropOldVersions(ctx context.Context, tenant, name, language string) {
	list, err := a.store.Prompts(ctx, tenant, name)
	if err != nil {
		a.log.Error("versions of a prompt not read", zap.Error(err))
		return
	}
	list = slices.DeleteFunc(list, func(v store.PromptVersion) bool { return v.Language != language })
	for _, v := range list[min(maxVersions, len(list)):] {
		if !v.InUse {
			a.removeVersions(ctx, tenant, name, language, v.Version)
		}
	}
}

func (a *App) removeVersions(ctx context.Context, tenant, name, language string, version int) ([]store.PromptVersion, error) {
	gone, err := a.store.RemovePrompts(ctx, tenant, name, language, version)
	for _, v := range gone {
		if err := os.Remove(filepath.Join(a.kept.dir, tenant, v.Path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.log.Warn("file of a prompt not removed", zap.String("path", v.Path), zap.Error(err))
		}
	}
	return gone, err
}

// UsePrompt implements api.Prompts.
func (a *App) UsePrompt(ctx context.Context, tenant, name string, u api.UsedPrompt, by string) error {
	if _, err := a.promptHouse(tenant, name); err != nil {
		return err
	}
	a.kept.mu.Lock()
	defer a.kept.mu.Unlock()
	err := a.store.UsePrompt(ctx, tenant, name, u.Language, u.Version)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("version %d of prompt %q in %q: %w", u.Version, name, clipText(u.Language), api.ErrNotFound)
	}
	if err != nil {
		return err
	}
	v := store.PromptVersion{Name: name, Language: u.Language}
	list, err := a.store.Prompts(ctx, tenant, name)
	if err != nil {
		return err
	}
	for _, x := range list {
		if x.Language == u.Language && x.Version == u.Version {
			v = x
		}
	}
	v.Source = "" // it is no new one
	return a.heardFromNow(tenant, v, by)
}

// RemovePrompt implements api.Prompts.
func (a *App) RemovePrompt(ctx context.Context, tenant, name, language string, version int, by string) error {
	if _, err := a.promptHouse(tenant, name); err != nil {
		return err
	}
	a.kept.mu.Lock()
	defer a.kept.mu.Unlock()
	gone, err := a.removeVersions(ctx, tenant, name, language, version)
	if err != nil {
		return err
	}
	if len(gone) == 0 {
		return fmt.Errorf("prompt %q has no such version of its own: %w", name, api.ErrNotFound)
	}
	for _, v := range gone {
		if v.InUse {
			if err := a.heardFromNow(tenant, store.PromptVersion{Name: name, Language: v.Language}, by); err != nil {
				return err
			}
		}
	}
	return nil
}

func promptVersion(v store.PromptVersion) api.PromptVersion {
	return api.PromptVersion{Language: v.Language, Version: v.Version, InUse: v.InUse, At: v.At, By: v.By, Source: v.Source, Text: v.Text,
		DurationMs: v.Duration.Milliseconds(), SizeBytes: v.Size, SHA256: v.SHA256}
}

// PromptAudio implements api.Prompts.
func (a *App) PromptAudio(ctx context.Context, tenant, name, language string, version int) ([]byte, error) {
	h, err := a.promptHouse(tenant, name)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		rc, _, err := h.prompts.Open(name, language)
		if errors.Is(err, prompt.ErrNotFound) {
			return nil, fmt.Errorf("%w: %w", api.ErrNotFound, err)
		}
		if err != nil {
			return nil, err
		}
		defer rc.Close()
		clip, err := play.Load(io.LimitReader(rc, api.MaxPrompt), name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", api.ErrConflict, err)
		}
		return promptWAV(clip.Wide()), nil
	}
	list, err := a.store.Prompts(ctx, tenant, name)
	if err != nil {
		return nil, err
	}
	for _, v := range list {
		if v.Language == language && v.Version == version {
			return os.ReadFile(filepath.Join(a.kept.dir, tenant, v.Path))
		}
	}
	return nil, fmt.Errorf("version %d of prompt %q in %q: %w", version, name, clipText(language), api.ErrNotFound)
}

func clipText(s string) string { return s[:min(len(s), 40)] }
