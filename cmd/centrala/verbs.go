package main

import "context"

type callVerbsCmd struct {
	target
	ID    string `arg:"" help:"Call id."`
	Verbs string `arg:"" help:"Verbs as JSON (docs/apps.md)."`
}

func (callVerbsCmd) Help() string {
	return "In a menu or a queue the flow goes on where it was when the verbs are through. In a conversation verbs that speak are heard by both (or by one: '{\"verbs\": [...], \"side\": \"caller\"}'), and others take the caller away from the agent.\n\nExample:\n  centrala call verbs ID '[{\"play\": [\"closed_now\"]}, {\"queue\": \"sales\"}]'"
}

func (k callVerbsCmd) Run(*cli) error {
	return k.client().SteerCall(context.Background(), k.ID, k.Verbs, whoAmI())
}
