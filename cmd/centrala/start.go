package main

import (
	"context"
	"fmt"
	"time"

	"github.com/centrala/centrala/pkg/api"
)

type callStartCmd struct {
	target
	To       string            `arg:"" help:"A number outside, device:NAME or agent:NAME."`
	Flow     string            `help:"Who answers goes into this flow." required:""`
	Var      map[string]string `help:"Variables of the flow: --var when=2026-12-01."`
	CallerID string            `help:"A number of the tenant; left out: the trunk's." name:"caller-id"`
	Ring     time.Duration     `help:"How long it rings." default:"30s"`
	Language string            `help:"Left out: the tenant's."`
	Device   string            `help:"Call with the rights and limits of this device; left out: the house's own."`
	Key      string            `help:"Idempotency key: sent again, the same call is meant." placeholder:"KEY"`
}

func (callStartCmd) Help() string {
	return "Prints the id of the call; what becomes of it: centrala call show ID, or the events.\n\nExample:\n  centrala call start +37322123456 --flow informer --var when=2026-12-01 --ring 20s"
}

func (k callStartCmd) Run(c *cli) error {
	s, err := k.client().StartCall(context.Background(), api.StartCall{To: k.To, Flow: k.Flow, Variables: k.Var, CallerID: k.CallerID,
		Ring: int(k.Ring.Seconds()), Language: k.Language, Device: k.Device}, whoAmI(), k.Key)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(s)
	}
	_, err = fmt.Fprintln(c.out, s.ID)
	return err
}
