package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/centrala/centrala/pkg/api"
)

type callbackCmd struct {
	List   callbackListCmd   `cmd:"" help:"Who waits to be called back, and who could not be reached." default:"withargs"`
	Add    callbackAddCmd    `cmd:"" help:"Have a number called back by a queue, when its turn comes: centrala callback add sales +40721000111."`
	Cancel callbackCancelCmd `cmd:"" help:"Take one out; strike one that was given up off the list."`
}

type callbackListCmd struct{ target }

func (k callbackListCmd) Run(c *cli) error {
	items, err := k.client().Callbacks(context.Background())
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(items)
	}
	now := time.Now()
	return c.table("ID\tQUEUE\tNUMBER\tSTATE\tSINCE\tTRIES\tLAST\tNEXT", func(w io.Writer) {
		for _, x := range items {
			next := "-"
			if x.Next != nil {
				next = x.Next.Local().Format("15:04:05")
			}
			last := x.Last
			if last == "" {
				last = "-"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", x.ID, x.Queue, x.Number, x.State, now.Sub(x.Arrived).Round(time.Second), x.Tries, last, next)
		}
	})
}

type callbackAddCmd struct {
	target
	Queue    string `arg:"" help:"Queue that calls back."`
	Number   string `arg:"" help:"Number to be dialled."`
	Name     string `help:"Shown to the agent beside the number."`
	Priority int    `help:"As a call's own priority."`
}

func (k callbackAddCmd) Run(c *cli) error {
	x, err := k.client().AddCallback(context.Background(), api.NewCallback{Queue: k.Queue, Number: k.Number, Name: k.Name, Priority: k.Priority})
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(x)
	}
	fmt.Fprintln(c.out, x.ID)
	return nil
}

type callbackCancelCmd struct {
	target
	ID string `arg:"" help:"Id of the call that asked for it."`
}

func (k callbackCancelCmd) Run(*cli) error {
	return k.client().CancelCallback(context.Background(), k.ID)
}
