package main

import "context"

type callVerbsCmd struct {
	target
	ID    string `arg:"" help:"Call id."`
	Verbs string `arg:"" help:"Verbs as JSON (docs/apps.md)."`
}

func (callVerbsCmd) Help() string {
	return "The call must be in a menu or a queue. When the verbs are through, the flow goes on where it was.\n\nExample:\n  centrala call verbs ID '[{\"play\": [\"closed_now\"]}, {\"queue\": \"sales\"}]'"
}

func (k callVerbsCmd) Run(*cli) error {
	return k.client().SteerCall(context.Background(), k.ID, k.Verbs, whoAmI())
}
