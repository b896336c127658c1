package report

import "github.com/centrala/centrala/pkg/event"

// callback counts what becomes of callers who are called back, at the time it happens:
// in the row of the queue and the tenant, and the tries in that of the agent too.
func (p *Projector) callback(tenant string, body event.Body, now int64) {
	switch b := body.(type) {
	case event.CallbackAsked:
		p.book(tenant, b.Queue, "", now, CallbacksAsked, 1)
	case event.CallbackTried:
		if b.Outcome == "no_line" || b.Outcome == "agent_left" {
			return // the customer's phone was not the reason
		}
		p.book(tenant, b.Queue, "", now, CallbackTries, 1)
		p.bookAgent(tenant, b.Agent, now, CallbackTries, 1)
		if b.Try > 1 {
			p.book(tenant, b.Queue, "", now, CallbackRetries, 1)
			p.bookAgent(tenant, b.Agent, now, CallbackRetries, 1)
		}
		if b.Outcome == "reached" {
			p.bookAgent(tenant, b.Agent, now, CallbacksReached, 1)
		}
	case event.CallbackEnded:
		k := CallbacksOther
		switch b.Outcome {
		case "reached":
			k = CallbacksReached
			p.book(tenant, b.Queue, "", now, CallbackWaitMs, max(0, b.WaitMs))
		case "given_up", "expired":
			k = CallbacksGivenUp
		}
		p.book(tenant, b.Queue, "", now, k, 1)
	}
}
