package call

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/ivr/flow"
)

// tellBound is how long an application has to take what it need not answer.
const tellBound = 5 * time.Second

// tellApp tells an application what it need not answer. Nobody waits for it.
func (o *owner) tellApp(e TellApp) {
	room, jobs := o.mgr.jobs, o.mgr.deps.Jobs
	if jobs == nil || !room.take(o.tenant) {
		o.log.Debug("application not told", zap.String("app", e.App))
		return
	}
	go func() {
		defer room.give(o.tenant)
		ctx, cancel := context.WithTimeout(context.Background(), tellBound)
		defer cancel()
		if _, _, err := o.tryJob(ctx, jobs, &flow.TellApp{App: e.App, Body: e.Body, Over: e.Over}); err != nil {
			o.log.Debug("application not told", zap.String("app", e.App), zap.Error(err))
		}
	}()
}

// Verbs has a live call of a tenant do something else: verbs that flow.ParseVerbs took,
// so many, of an application or (app "") of who asked by API. It returns what Command
// does; 409 when the call is in no menu and no queue, or is not the application's.
func (m *Manager) Verbs(done <-chan struct{}, tenant, id, app, verbs string, count int, by string) int {
	return m.ask(done, tenant, id, command{kind: "verbs", target: verbs, app: app, count: count, by: by})
}
