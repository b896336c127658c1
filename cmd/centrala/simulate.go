package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/acd/sim"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/api/client"
	"github.com/centrala/centrala/pkg/app"
	"github.com/centrala/centrala/pkg/resource"
)

type simulateCmd struct {
	target
	Traffic   string   `arg:"" optional:"" help:"Scenario (YAML or JSON) or calls (CSV); - for standard input."`
	Day       string   `help:"Instead of a file, a past day of the server's journal: yesterday, today or 2026-11-22."`
	Resources []string `help:"Documents with queues and users: files or folders. Default: the server's for --day; for a file none: its queues have default rules and its agents are those it hires."`
	Live      bool     `help:"The server's queues and users, for a file too."`
	Against   []string `help:"Documents with a change, to be compared with how it is without."`
	Prune     bool     `help:"The documents of --against are all there is, as with apply --prune."`
	Seed      uint64   `help:"Of all that is left to chance; the same seed gives the same output." default:"1"`
	Agents    bool     `help:"Lines for each agent and queue too."`
	Save      string   `help:"Write the scenario here, as JSON, and simulate nothing." placeholder:"FILE"`
	Config    string   `help:"Node file, where the store is not at its place in the data folder and the server does not run." type:"existingfile" placeholder:"FILE"`
}

func (simulateCmd) Help() string {
	return `The queue engine of the server plays the traffic on virtual time: a day takes a second. Nothing is changed.

Examples:
  centrala simulate day.yaml
  centrala simulate calls.csv --resources queues.yaml --against queues-new.yaml
  centrala simulate --day yesterday --against change.yaml --agents
  centrala simulate --day 2026-11-22 --save day.json; edit day.json; centrala simulate day.json --live

What a scenario may say is in docs/simulate.md; a small one:
  length: 8h
  streams: [{queue: sales, calls: [25], talk: lognormal 4m 3m, patience: exponential 2m}]
  hire: [{name: agent, agents: 9, queues: [sales]}]`
}

func (k simulateCmd) Run(ctx context.Context, c *cli) error {
	scenario, base, err := k.read(ctx)
	if err != nil {
		return err
	}
	if k.Save != "" {
		text, err := json.MarshalIndent(scenario, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(k.Save, append(text, '\n'), 0o600); err != nil { // it has callers' numbers
			return err
		}
		fmt.Fprintf(c.out, "%s: %s\n", k.Save, count(len(scenario.Calls), "call"))
		return nil
	}
	s := simulation{tenant: k.Tenant, scenario: scenario, base: base, seed: k.Seed}
	if len(k.Against) > 0 {
		docs, err := app.ReadDocuments(k.Against)
		if err != nil {
			return err
		}
		s.changed = resource.Merge(s.set(), docs, k.Prune)
	}
	cmp, err := s.run(ctx)
	if err != nil {
		return err
	}
	return c.printComparison(cmp, k.JSON, k.Agents)
}

// read finds the traffic, and the resources that it is played on (nil = none).
func (k simulateCmd) read(ctx context.Context) (*sim.Scenario, *resource.Set, error) {
	if (k.Traffic == "") == (k.Day == "") {
		return nil, nil, usageError{errors.New("name a file with traffic, or a --day of the server's journal")}
	}
	var base *resource.Set
	if len(k.Resources) > 0 {
		docs, err := app.ReadDocuments(k.Resources)
		if err != nil {
			return nil, nil, err
		}
		base = resource.NewSet(docs)
	}
	if k.Day != "" {
		s, set, err := k.pastDay(ctx, k.Day, k.Config)
		if base == nil {
			base = set
		}
		return s, base, err
	}
	var data []byte
	var err error
	if k.Traffic == "-" {
		data, err = io.ReadAll(os.Stdin)
	} else {
		data, err = os.ReadFile(k.Traffic)
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := sim.Parse(filepath.Base(k.Traffic), data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", k.Traffic, err)
	}
	if k.Live && base == nil {
		if base, err = k.exported(ctx); err != nil {
			return nil, nil, err
		}
	}
	return s, base, nil
}

// pastDay reads a day and the resources of the server, or of its data folder when
// it does not run.
func (t target) pastDay(ctx context.Context, day, configFile string) (*sim.Scenario, *resource.Set, error) {
	s, err := t.client().Traffic(ctx, api.TrafficQuery{Day: day})
	if errors.Is(err, client.ErrNotRunning) {
		s, set, offline := app.OfflineTraffic(ctx, configFile, t.Data, t.Tenant, day)
		if offline != nil && errors.Is(offline, os.ErrNotExist) {
			return nil, nil, err
		}
		return s, set, offline
	}
	if err != nil {
		return nil, nil, err
	}
	set, err := t.exported(ctx)
	return s, set, err
}

func (t target) exported(ctx context.Context) (*resource.Set, error) {
	text, err := t.client().Export(ctx, false)
	if err != nil {
		return nil, err
	}
	docs, err := resource.ParseYAML(bytes.NewReader(text), "the server's resources")
	if err != nil {
		return nil, err
	}
	return resource.NewSet(docs), nil
}

// simulation is one scenario on one or two configurations.
type simulation struct {
	tenant   string
	scenario *sim.Scenario
	base     *resource.Set // nil = none
	changed  *resource.Set // nil = nothing to compare with
	seed     uint64
}

func (s *simulation) set() *resource.Set {
	if s.base == nil {
		return resource.NewSet(nil)
	}
	return s.base
}

func (s *simulation) run(ctx context.Context) (*sim.Comparison, error) {
	traffic, err := s.scenario.Draw(s.seed)
	if err != nil {
		return nil, err
	}
	out := &sim.Comparison{}
	if a := s.scenario.Actual; a != nil {
		out.Results = append(out.Results, a)
	}
	base, err := app.Routing(s.set(), s.tenant)
	if err != nil {
		return nil, err
	}
	one := func(name string, set *resource.Set, known []acd.Agent) error {
		cfg := base
		if set != s.base {
			if cfg, err = app.Routing(set, s.tenant); err != nil {
				return err
			}
		}
		full, err := s.scenario.Configured(cfg)
		if err != nil {
			return err
		}
		r, err := sim.Run(ctx, traffic, full, sim.Options{Name: name, Known: known})
		if err == nil {
			out.Results = append(out.Results, r)
		}
		return err
	}
	if err := one("simulated", s.base, nil); err != nil {
		return nil, err
	}
	if s.changed != nil {
		return out, one("with the change", s.changed, base.Agents)
	}
	return out, nil
}

func (c *cli) printComparison(cmp *sim.Comparison, asJSON, agents bool) error {
	if asJSON {
		return c.printJSON(cmp)
	}
	head, rows := cmp.Rows(agents)
	if err := c.table(strings.Join(head, "\t"), func(w io.Writer) {
		for _, r := range rows {
			fmt.Fprintln(w, strings.Join(r, "\t"))
		}
	}); err != nil {
		return err
	}
	said := map[string]bool{}
	for _, r := range cmp.Results {
		for _, n := range r.Notes {
			if !said[n] {
				fmt.Fprintf(c.errOut, "note: %s\n", n)
			}
			said[n] = true
		}
	}
	return nil
}

// newFaults are those that a change brings. What stands in the store was checked
// with prompts and files that are not at hand without the node file.
func newFaults(base, changed *resource.Set) error {
	was := map[string]bool{}
	for _, f := range resource.Check(base, app.NewFlowChecker(base, "", false)) {
		was[f.Error()] = true
	}
	return resource.Errors(slices.DeleteFunc(resource.Check(changed, app.NewFlowChecker(changed, "", false)), func(f resource.Fault) bool { return was[f.Error()] }))
}

// simulateApply is apply --simulate: the changes, and what they would have done.
func (k applyCmd) simulateApply(ctx context.Context, c *cli) error {
	if slices.Contains(k.Documents, "-") {
		return usageError{errors.New("--simulate reads documents from files, not from standard input")}
	}
	// The server's own check first: faults refuse the change here as there.
	quiet := *c
	if k.JSON {
		quiet.out = io.Discard
	}
	err := k.apply(&quiet, k.Documents, api.ApplyOptions{Dry: true, Prune: k.Prune})
	offline := errors.Is(err, client.ErrNotRunning)
	if err != nil && !offline {
		return err
	}
	docs, err := app.ReadDocuments(k.Documents)
	if err != nil {
		return err
	}
	scenario, base, err := k.pastDay(ctx, k.Simulate, "")
	if err != nil {
		return err
	}
	s := simulation{tenant: k.Tenant, scenario: scenario, base: base, changed: resource.Merge(base, docs, k.Prune), seed: 1}
	if offline {
		for _, ch := range resource.Diff(base, s.changed) {
			fmt.Fprintln(quiet.out, ch)
		}
		if err := newFaults(base, s.changed); err != nil {
			return err
		}
	}
	cmp, err := s.run(ctx)
	if err != nil {
		return err
	}
	if err := c.printComparison(cmp, k.JSON, false); err != nil {
		return err
	}
	if !k.JSON {
		fmt.Fprintln(c.out, "nothing was changed; apply without --simulate to do it")
	}
	return nil
}
