package main

import (
	"context"
	"fmt"

	"github.com/centrala/centrala/pkg/api"
)

type callWhyCmd struct {
	target
	ID string `arg:"" help:"Call id."`
}

func (k callWhyCmd) Run(c *cli) error {
	w, err := k.client().Why(context.Background(), k.ID)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(w)
	}
	fmt.Fprintf(c.out, "call %s\n", w.CallID)
	for _, s := range w.Story {
		fmt.Fprintln(c.out, "  "+s)
	}
	switch {
	case w.Waits != "":
		fmt.Fprintln(c.out, "  now: "+w.Waits)
	case len(w.Story) == 0:
		fmt.Fprintln(c.out, "  was in no queue")
	}
	return nil
}

type callPushCmd struct {
	target
	ID       string `arg:"" help:"Call id of a waiting caller."`
	Agent    string `arg:"" help:"Agent who shall take the call."`
	Patience int    `help:"Seconds that the caller waits for that agent." default:"120"`
}

func (k callPushCmd) Run(*cli) error {
	return k.client().Assign(context.Background(), k.ID, api.Assignment{Agent: k.Agent, PatienceSeconds: k.Patience})
}

type callPullCmd struct {
	target
	ID    string `arg:"" help:"Call id of a waiting caller."`
	Agent string `arg:"" help:"Agent who takes the call, ready or not."`
}

func (k callPullCmd) Run(*cli) error {
	return k.client().Assign(context.Background(), k.ID, api.Assignment{Agent: k.Agent, Pull: true})
}

type callPriorityCmd struct {
	target
	ID       string `arg:"" help:"Call id of a waiting caller."`
	Priority int    `arg:"" help:"The call's own priority, -1000 to 1000."`
}

func (k callPriorityCmd) Run(*cli) error {
	return k.client().SetPriority(context.Background(), k.ID, k.Priority)
}
