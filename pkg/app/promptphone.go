package app

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/route"
)

//go:embed promptflow.yaml
var promptFlowYAML []byte

// builtInFlows are flows that every house has unless it has its own of that name.
var builtInFlows = sync.OnceValue(func() map[string]*flow.Flow {
	f, err := flow.ParseYAML(route.RecordPromptFlow, promptFlowYAML)
	if err != nil {
		panic(err) // embedded, and read by a test
	}
	return map[string]*flow.Flow{f.Name: f}
})

// promptJob finds a prompt by its number, and keeps a message as its new version.
func (a *App) promptJob(ctx context.Context, tenant, callID string, j flow.Job) (string, map[string]string, error) {
	p, ok := j.(*flow.PromptJob)
	if !ok {
		return flow.OutcomeFailed, nil, fmt.Errorf("a job of type %T", j)
	}
	name := p.Prompt
	if name == "" {
		for k, spec := range a.dir.Load().set.Prompts {
			if k.Tenant == tenant && spec.Number != "" && spec.Number == p.Number {
				name = k.Name
			}
		}
	} else if a.dir.Load().set.Prompts[resource.Key{Tenant: tenant, Name: name}] == nil {
		name = ""
	}
	if name == "" {
		return flow.OutcomeNotFound, nil, nil
	}
	values := map[string]string{}
	if p.Into != "" {
		values[p.Into] = name
	}
	if p.Found {
		values[flow.PromptFound] = name
	}
	if p.Recording == "" {
		return flow.OutcomeDone, values, nil
	}
	// The path is one that this node's own recorder made; the root keeps it in its folder.
	if !strings.HasPrefix(p.Recording, tenant+"/") {
		return flow.OutcomeFailed, nil, errors.New("the recording is another company's")
	}
	audio, err := readMessage(a.cfg.RecordingsDir(), p.Recording)
	if err == nil {
		_, err = a.addPrompt(ctx, tenant, name, fromPhone, api.NewPrompt{Language: p.Language, Audio: audio, By: "phone " + p.By})
	}
	if err != nil {
		return flow.OutcomeFailed, nil, err
	}
	return flow.OutcomeDone, values, nil
}

// readMessage reads a message's file, which may have been converted meanwhile.
func readMessage(dir, path string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		f, err = root.Open(strings.TrimSuffix(path, ".wav") + ".flac")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, api.MaxPrompt))
}
