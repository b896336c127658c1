package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/api/client"
	"github.com/centrala/centrala/pkg/app"
	"github.com/centrala/centrala/pkg/config"
	"github.com/centrala/centrala/pkg/resource"
)

type checkCmd struct {
	Config    string   `help:"Node file." placeholder:"FILE" type:"existingfile"`
	Data      string   `help:"Data folder; overrides the node file's." placeholder:"FOLDER"`
	Documents []string `arg:"" optional:"" help:"Resource documents: files or folders, beside those that the node file names."`
}

func (checkCmd) Help() string {
	return "Examples:\n  centrala check --config /etc/centrala/centrala.yaml\n  centrala check queues.yaml flows/"
}

// Run tells all faults of the node file and of the resources as a whole.
func (k checkCmd) Run(c *cli) error {
	if k.Config == "" && len(k.Documents) == 0 {
		return usageError{errors.New("nothing to check; name a node file with --config, or resource documents")}
	}
	faults := 0
	say := func(err error) {
		faults += len(strings.Split(strings.TrimSpace(err.Error()), "\n"))
		fmt.Fprintln(c.out, err)
	}
	paths := k.Documents
	promptsDir, mute, music := "", false, []string(nil)
	if k.Config != "" {
		cfg, err := config.Load(k.Config, os.Environ())
		if err != nil {
			say(err)
		}
		if cfg != nil { // what could be read of it tells where the resources are
			for _, f := range cfg.Warnings {
				fmt.Fprintf(c.out, "warning: %v\n", f)
			}
			if k.Data != "" {
				cfg.Rebase(k.Data)
			}
			promptsDir, mute, music = cfg.PromptsDir(), cfg.Speech.Engine == "none", cfg.MusicNames()
			if err := app.CheckSpeech(cfg); err != nil {
				say(err)
			}
			paths = append(cfg.ResourcePaths(), paths...)
		}
	}
	docs, err := app.ReadDocuments(paths)
	if err != nil {
		say(err)
	}
	set := resource.NewSet(docs)
	for _, f := range resource.Check(set, app.NewFlowChecker(set, promptsDir, mute, music...)) {
		if f.Warning {
			fmt.Fprintf(c.out, "warning: %v\n", f)
			continue
		}
		say(f)
	}
	if faults > 0 {
		fmt.Fprintf(c.errOut, "%s\n", count(faults, "fault")) // not among the faults, which scripts count by lines
		return saidError{errors.New("faults found")}
	}
	fmt.Fprintf(c.out, "no faults in %s\n", count(len(docs), "document"))
	return nil
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// eachFile visits the YAML files of paths in order of name; "-" is standard input.
func eachFile(paths []string, visit func(path string, data []byte) error) error {
	for _, p := range paths {
		if p == "-" {
			data, err := io.ReadAll(os.Stdin)
			if err != nil {
				return err
			}
			if err := visit("-", data); err != nil {
				return err
			}
			continue
		}
		files, err := app.ResourceFiles(p)
		if err != nil {
			return err
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			if err := visit(f, data); err != nil {
				return err
			}
		}
	}
	return nil
}

type applyCmd struct {
	target
	Documents []string `arg:"" help:"Files or folders of YAML documents, - for standard input."`
	DryRun    bool     `help:"Check against the live state and show the changes, change nothing."`
	Prune     bool     `help:"Remove resources that the documents do not name."`
	Simulate  string   `help:"Change nothing: show what the change would have done on a past day (yesterday, today or 2026-11-22)." placeholder:"DAY"`
}

func (applyCmd) Help() string {
	return "All documents are checked together against the live state, and take effect at once or not at all.\n\nExamples:\n  centrala apply queues.yaml flows/\n  centrala export > all.yaml; edit all.yaml; centrala apply --dry-run --prune all.yaml\n  centrala apply --simulate yesterday queues.yaml"
}

func (k applyCmd) Run(ctx context.Context, c *cli) error {
	if k.Simulate != "" {
		return k.simulateApply(ctx, c)
	}
	return k.apply(c, k.Documents, api.ApplyOptions{Dry: k.DryRun, Prune: k.Prune})
}

type diffCmd struct {
	target
	Documents []string `arg:"" help:"Files or folders of YAML documents, - for standard input."`
	Prune     bool     `help:"Also show what --prune would remove."`
}

func (k diffCmd) Run(c *cli) error {
	return k.apply(c, k.Documents, api.ApplyOptions{Dry: true, Prune: k.Prune})
}

func (t target) apply(c *cli, paths []string, o api.ApplyOptions) error {
	var all bytes.Buffer
	var names []string
	err := eachFile(paths, func(path string, data []byte) error {
		// Each file is parsed here first, so that faults name the file and its own lines.
		if _, err := resource.ParseYAML(bytes.NewReader(data), path); err != nil {
			return err
		}
		names = append(names, path)
		all.Write(data)
		all.WriteString("\n---\n")
		return nil
	})
	if err != nil {
		return err
	}
	o.By = "cli"
	if u := os.Getenv("SUDO_USER"); u != "" {
		o.By = u
	} else if u := os.Getenv("USER"); u != "" {
		o.By = u
	}
	name := strings.Join(names, ",")
	if len(names) > 1 {
		name = "documents"
	}
	res, err := t.client().Apply(context.Background(), all.Bytes(), name, o)
	var refused *client.Error
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	if t.JSON {
		if err := c.printJSON(res); err != nil {
			return err
		}
	} else {
		c.printPlan(res)
		switch {
		case err != nil:
			fmt.Fprintf(c.out, "refused, nothing changed: %v\n", err)
		case len(res.Changes) == 0:
			fmt.Fprintln(c.out, "no changes")
		case res.Applied:
			fmt.Fprintf(c.out, "applied: revision %d, %s\n", res.Revision, count(len(res.Changes), "change"))
		}
	}
	if err != nil {
		return saidError{err}
	}
	return nil
}

type exportCmd struct {
	target
	Secrets bool `help:"With trunk passwords and password digests, so that the output can be applied elsewhere."`
}

func (k exportCmd) Run(c *cli) error {
	out, err := k.client().Export(context.Background(), k.Secrets)
	if err != nil {
		return err
	}
	_, err = c.out.Write(out)
	return err
}

// printPlan prints the faults, and what an apply changes or would change.
func (c *cli) printPlan(res api.ApplyResult) {
	for _, f := range res.Faults {
		kind := "fault"
		if f.Warning {
			kind = "warning"
		}
		fmt.Fprintf(c.out, "%s: %v\n", kind, f)
	}
	for _, ch := range res.Changes {
		fmt.Fprintln(c.out, ch)
	}
}
