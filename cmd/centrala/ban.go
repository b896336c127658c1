package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

type banCmd struct {
	List banListCmd `cmd:"" help:"Addresses that are not listened to, the newest first." default:"withargs"`
	Add  banAddCmd  `cmd:"" help:"Stop listening to an address."`
	Lift banLiftCmd `cmd:"" help:"Listen to an address again."`
}

func (banCmd) Help() string {
	return "Examples:\n  centrala ban list\n  centrala ban add 198.51.100.7 --for 2h\n  centrala ban lift 198.51.100.7\n\nAddresses that are never to be banned: sip.defence.allow in the node file."
}

type banListCmd struct{ target }

func (k banListCmd) Run(c *cli) error {
	bans, err := k.client().Bans(context.Background())
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(bans)
	}
	return c.table("SOURCE\tREASON\tSINCE\tUNTIL\tLEFT\tTIMES", func(w io.Writer) {
		for _, b := range bans {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\n", b.Source, b.Reason, clock(b.Since), clock(b.Until), time.Until(b.Until).Round(time.Second), b.Strikes)
		}
	})
}

type banAddCmd struct {
	target
	Address string        `arg:"" help:"IPv4 address, or IPv6 address (its /64 is meant)."`
	For     time.Duration `help:"How long, such as 2h. Default: the longest ban of the node file." placeholder:"TIME"`
}

func (k banAddCmd) Run(c *cli) error {
	b, err := k.client().AddBan(context.Background(), k.Address, k.For)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(b)
	}
	_, err = fmt.Fprintf(c.out, "%s is not listened to until %s\n", b.Source, clock(b.Until))
	return err
}

type banLiftCmd struct {
	target
	Address string `arg:"" help:"Address, as in ban list."`
}

func (k banLiftCmd) Run(c *cli) error { return k.client().LiftBan(context.Background(), k.Address) }
