package app

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/ivr/flowcheck"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
)

// ResourceFiles lists the YAML documents of a path: the file itself, or the
// .yaml and .yml files below a folder, in order of name.
func ResourceFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != path && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(p); !d.IsDir() && (ext == ".yaml" || ext == ".yml") {
			files = append(files, p)
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// NewFlowChecker checks the flows of s with the prompts they would have:
// built in, of the site's folder, and of s itself. mute: nothing speaks texts here.
// music: sources of the node file, which may stand where a prompt of music may.
func NewFlowChecker(s *resource.Set, promptsDir string, mute bool, music ...string) resource.FlowChecker {
	return flowcheck.New(func(tenant string) func(name, lang string) bool {
		has := promptSet(s, tenant, promptsDir).Has
		return func(name, lang string) bool { return slices.Contains(music, name) || has(name, lang) }
	}, mute)
}

func promptSet(s *resource.Set, tenant, promptsDir string) *prompt.Set {
	overrides := map[string]map[string]string{}
	for k, p := range s.Prompts {
		if k.Tenant == tenant {
			overrides[k.Name] = p.Files
		}
	}
	set := prompt.NewSet(prompt.Embedded(), promptsDir, overrides)
	if t := s.Tenants[tenant]; t != nil {
		set = set.WithDefault(t.Language)
	}
	return set.WithKept(keptDir(promptsDir, tenant))
}

// startResources loads the resources. An empty store takes those that the node
// file names, all or none.
func (a *App) startResources(ctx context.Context) error {
	a.library = play.NewLibrary(promptCache, float64(a.cfg.Prompts.Loudness))
	a.onStop("acd", func(ctx context.Context) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		var errs []error
		for tenant, d := range a.dispatchers {
			errs = append(errs, d.Stop(ctx))
			a.store.Append(event.Event{At: time.Now(), Tenant: tenant, Body: event.EngineStopped{Node: a.cfg.NodeName()}})
		}
		return errors.Join(errs...)
	})
	set, err := a.store.Load(ctx)
	if err != nil {
		return err
	}
	if set.Revision == 0 && len(a.cfg.ResourcePaths()) > 0 {
		docs, err := ReadDocuments(a.cfg.ResourcePaths())
		if err != nil {
			return err
		}
		next := resource.Merge(set, docs, false)
		faults := resource.Check(next, NewFlowChecker(next, a.cfg.PromptsDir(), a.cfg.Speech.Engine == "none", a.cfg.MusicNames()...))
		for _, f := range faults {
			if f.Warning {
				a.log.Warn("resource warning", zap.String("fault", f.Error()))
			}
		}
		if err := resource.Errors(faults); err != nil {
			return err
		}
		if set, err = a.keep(ctx, a.seal(next, nil), "first start", ""); err != nil {
			return err
		}
		a.log.Info("resources applied at first start", zap.Int("documents", len(docs)))
	}
	d, err := a.newDirectory(set)
	if err != nil {
		return err
	}
	a.install(d)
	for tenant, h := range d.houses {
		if err := a.seedPlaces(ctx, tenant, h.acd); err != nil {
			return err
		}
	}
	return nil
}

// ReadDocuments parses the documents of files and folders; every fault of every
// file is told, and what could be read is returned beside it.
func ReadDocuments(paths []string) ([]resource.Document, error) {
	var docs []resource.Document
	var errs []error
	for _, p := range paths {
		files, err := ResourceFiles(p)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				return nil, err
			}
			d, err := resource.ParseYAML(bytes.NewReader(data), f)
			if err != nil {
				errs = append(errs, err)
			}
			docs = append(docs, d...)
		}
	}
	// One name in two files: the later would silently win.
	if err := resource.Twice(docs).Err(); err != nil {
		errs = append(errs, err)
	}
	return docs, errors.Join(errs...)
}

// Export implements api.Server.
func (a *App) Export(context.Context, bool) ([]resource.Document, error) {
	return a.dir.Load().set.Documents(), nil
}

// Apply implements api.Server: the documents are checked against the live
// state and take effect at once or not at all.
func (a *App) Apply(ctx context.Context, docs []resource.Document, o api.ApplyOptions) (api.ApplyResult, error) {
	return a.change(ctx, o, func(live *resource.Set) (*resource.Set, error) { return resource.Merge(live, docs, o.Prune), nil })
}

// seal returns a set as the store may have it: with passwords as digests and secrets
// sealed.
func (a *App) seal(next, live *resource.Set) *resource.Set {
	return resource.SealSecrets(resource.Seal(next, a.cfg.SIP.Realm), live, a.secrets)
}

// keep stores a set as the next revision and returns it as stored.
func (a *App) keep(ctx context.Context, set *resource.Set, by, via string) (*resource.Set, error) {
	if _, err := a.store.Apply(ctx, set, by, via); err != nil {
		return nil, err
	}
	return a.store.Load(ctx)
}
