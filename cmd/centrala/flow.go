package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/api/client"
	"github.com/centrala/centrala/pkg/resource"
)

type flowCmd struct {
	List     flowListCmd     `cmd:"" help:"Flows, their versions and drafts." default:"withargs"`
	Show     flowShowCmd     `cmd:"" help:"A flow as it is written: live, a version, or its draft."`
	Versions flowVersionsCmd `cmd:"" help:"Who published a flow when."`
	Draft    flowDraftCmd    `cmd:"" help:"Keep a draft of a flow: no call sees it until it is published."`
	Publish  flowPublishCmd  `cmd:"" help:"Check and test the draft and make it live."`
	Rollback flowRollbackCmd `cmd:"" help:"Make an old version live again."`
	Test     flowTestCmd     `cmd:"" help:"Play the tests that are kept with a flow."`
	Stats    flowStatsCmd    `cmd:"" help:"How callers went through a flow: counts, drop-off and time for each step."`
	Trace    flowTraceCmd    `cmd:"" help:"Follow one call through its flows, live."`
	Run      flowRunCmd      `cmd:"" help:"Play a flow in the terminal, without a phone."`
}

type flowListCmd struct{ target }

func (k flowListCmd) Run(c *cli) error {
	flows, err := k.client().Flows(context.Background())
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(flows)
	}
	return c.table("FLOW\tVERSION\tSTEPS\tTESTS\tDRAFT\tDESCRIPTION", func(w io.Writer) {
		for _, f := range flows {
			draft := "-"
			if f.Draft {
				draft = fmt.Sprintf("%s by %s", clock(f.DraftAt), f.DraftBy)
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\n", f.Name, f.Version, f.Steps, f.Tests, draft, f.Description)
		}
	})
}

type flowShowCmd struct {
	target
	Flow    string `arg:"" help:"Flow."`
	Version int    `help:"A published version; without it the live one." placeholder:"N"`
	Draft   bool   `help:"The draft."`
}

func (k flowShowCmd) Run(c *cli) error {
	d, err := k.client().Flow(context.Background(), k.Flow, k.Version, k.Draft)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(d)
	}
	// Ready for `centrala flow draft` and, with its head, for `centrala apply`.
	fmt.Fprintf(c.out, "# version %d, %s by %s\nkind: flow\n", d.Version, clock(d.At), d.By)
	if k.Tenant != resource.DefaultTenant {
		fmt.Fprintf(c.out, "tenant: %s\n", k.Tenant)
	}
	fmt.Fprintf(c.out, "name: %s\nspec:\n", d.Name)
	for line := range strings.Lines(d.Spec) {
		fmt.Fprint(c.out, "  ", line)
	}
	return nil
}

type flowVersionsCmd struct {
	target
	Flow string `arg:"" help:"Flow."`
}

func (k flowVersionsCmd) Run(c *cli) error {
	list, err := k.client().FlowVersions(context.Background(), k.Flow)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(list)
	}
	return c.table("VERSION\tPUBLISHED\tBY\tREVISION\t", func(w io.Writer) {
		for _, v := range list {
			version, mark := fmt.Sprint(v.Version), ""
			switch {
			case v.Removed:
				version, mark = "-", "removed"
			case v.Live:
				mark = "live"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", version, clock(v.At), v.By, v.Revision, mark)
		}
	})
}

type flowDraftCmd struct {
	target
	Flow string `arg:"" help:"Flow."`
	File string `arg:"" optional:"" help:"Document of the flow (kind: flow, or its spec alone), - for standard input."`
	Drop bool   `help:"Throw the draft away."`
}

func (flowDraftCmd) Help() string {
	return "Examples:\n  centrala flow show main > main.yaml; edit main.yaml; centrala flow draft main main.yaml\n  centrala flow test main --draft; centrala flow publish main"
}

func (k flowDraftCmd) Run(c *cli) error {
	if k.Drop {
		return k.client().DropFlowDraft(context.Background(), k.Flow)
	}
	if k.File == "" {
		return usageError{errors.New("want the file of the draft, or --drop; `centrala flow show FLOW --draft` prints it")}
	}
	var data []byte
	err := eachFile([]string{k.File}, func(_ string, d []byte) error {
		if data != nil {
			return usageError{fmt.Errorf("%s: more than one file", k.File)}
		}
		data = d
		return nil
	})
	if err != nil {
		return err
	}
	text, err := flowSpecText(data, k.File)
	if err != nil {
		return err
	}
	res, err := k.client().SaveFlowDraft(context.Background(), k.Flow, text, whoAmI())
	if err != nil {
		return err
	}
	return k.told(c, res, nil, "draft kept")
}

// flowSpecText takes the spec out of a whole document; its text keeps comments where it
// was the spec alone.
func flowSpecText(data []byte, file string) (string, error) {
	if _, err := resource.ParseSpec(resource.KindFlow, data, file); err == nil && !strings.HasPrefix(string(data), "kind:") && !strings.Contains(string(data), "\nkind:") {
		return string(data), nil
	}
	docs, err := resource.ParseYAML(strings.NewReader(string(data)), file)
	if err != nil {
		return "", err
	}
	if len(docs) != 1 || docs[0].Kind != resource.KindFlow {
		return "", fmt.Errorf("%s: want one document of the kind flow", file)
	}
	text, err := resource.MarshalSpec(docs[0].Spec)
	return string(text), err
}

func whoAmI() string {
	for _, name := range []string{"SUDO_USER", "USER"} {
		if u := os.Getenv(name); u != "" {
			return u
		}
	}
	return "cli"
}

// told prints faults and changes, as apply does.
func (t target) told(c *cli, res api.ApplyResult, err error, done string) error {
	var refused *client.Error
	if err != nil && (!errors.As(err, &refused) || len(res.Faults) == 0) {
		return err
	}
	if t.JSON {
		if e := c.printJSON(res); e != nil {
			return e
		}
	} else {
		c.printPlan(res)
		switch {
		case err != nil:
			fmt.Fprintf(c.out, "refused, nothing changed: %v\n", err)
		case res.Applied:
			fmt.Fprintf(c.out, "%s: revision %d\n", done, res.Revision)
		case len(res.Changes) == 0:
			fmt.Fprintf(c.out, "%s; no changes\n", done)
		default:
			fmt.Fprintln(c.out, done)
		}
	}
	if err != nil {
		return saidError{err}
	}
	return nil
}

type flowPublishCmd struct {
	target
	Flow      string `arg:"" help:"Flow."`
	DryRun    bool   `help:"Check and test, change nothing."`
	Overwrite bool   `help:"Also when somebody has published since the draft was begun."`
}

func (k flowPublishCmd) Run(c *cli) error {
	res, err := k.client().PublishFlow(context.Background(), k.Flow, api.PublishOptions{Dry: k.DryRun, Overwrite: k.Overwrite, By: whoAmI()})
	done := "published"
	if k.DryRun {
		done = "checked"
	}
	return k.told(c, res, err, done)
}

type flowRollbackCmd struct {
	target
	Flow    string `arg:"" help:"Flow."`
	Version int    `arg:"" help:"Version that shall be live again; it gets a new number."`
	DryRun  bool   `help:"Check and test, change nothing."`
}

func (k flowRollbackCmd) Run(c *cli) error {
	if k.Version < 1 {
		return usageError{errors.New("want a version from 1; see `centrala flow versions`")}
	}
	res, err := k.client().PublishFlow(context.Background(), k.Flow, api.PublishOptions{Version: k.Version, Dry: k.DryRun, By: whoAmI()})
	return k.told(c, res, err, fmt.Sprintf("version %d is live again", k.Version))
}

type flowTestCmd struct {
	target
	Flow  string `arg:"" help:"Flow."`
	Draft bool   `help:"Of the draft."`
}

func (k flowTestCmd) Run(c *cli) error {
	results, err := k.client().TestFlow(context.Background(), k.Flow, k.Draft)
	if err != nil {
		return err
	}
	failed := 0
	for _, r := range results {
		if !r.Passed() {
			failed++
		}
	}
	if k.JSON {
		err = c.printJSON(results)
	} else {
		for _, r := range results {
			word := "ok    "
			if !r.Passed() {
				word = "FAILED"
			}
			fmt.Fprintf(c.out, "%s %s (%s)\n", word, r.Test, r.End)
			for _, w := range r.Wrong {
				fmt.Fprintf(c.out, "       %s\n       path: %s\n", w, strings.Join(r.Path, " "))
			}
		}
		fmt.Fprintf(c.out, "%s, %d failed\n", count(len(results), "test"), failed)
	}
	if failed > 0 {
		return saidError{errors.New("tests failed")}
	}
	return err
}

type flowStatsCmd struct {
	target
	Flow string `arg:"" help:"Flow."`
	From string `help:"Begin: a date, a date and time, or RFC 3339; default midnight."`
	To   string `help:"End; default now."`
}

func (k flowStatsCmd) Run(c *cli) error {
	f, err := k.client().FlowFigures(context.Background(), k.Flow, k.From, k.To)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(f)
	}
	fmt.Fprintf(c.out, "%s from %s to %s: %s, %d hung up in it\n", f.Flow, clock(f.From), clock(f.To), count(f.Calls, "call"), f.Left)
	return c.table("STEP\tKIND\tENTERED\tLEFT\tDROP-OFF\tFAILED\tMEAN\tMAX\tNEXT", func(w io.Writer) {
		for _, s := range f.Steps {
			next := slices.SortedFunc(maps.Keys(s.Next), func(a, b string) int {
				if s.Next[a] != s.Next[b] {
					return s.Next[b] - s.Next[a]
				}
				return strings.Compare(a, b)
			})
			for i, n := range next {
				next[i] = fmt.Sprintf("%s %d", n, s.Next[n])
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%.1f%%\t%d\t%s\t%s\t%s\n", s.Step, s.Kind, s.Entered, s.Left, 100*s.DropOff, s.Failed,
				seconds(s.MeanMs), seconds(s.MaxMs), dash(strings.Join(next, ", ")))
		}
	})
}
