package app

import (
	"context"
	"fmt"

	"github.com/centrala/centrala/ivr/flow"
)

// job does one kind of job that flows ask for (call.Jobs).
type job func(ctx context.Context, tenant, callID string, j flow.Job) (outcome string, values map[string]string, err error)

// jobs does what flows ask of the world outside: one row a kind, by flow.Job's Name.
type jobs map[string]job

// Run implements call.Jobs.
func (t jobs) Run(ctx context.Context, tenant, callID string, j flow.Job) (string, map[string]string, error) {
	do := t[j.Name()]
	if do == nil {
		return flow.OutcomeFailed, nil, fmt.Errorf("this node does no %q", j.Name())
	}
	return do(ctx, tenant, callID, j)
}

// newJobs is the table.
func (a *App) newJobs() jobs {
	return jobs{
		"prompt": a.promptJob,

		"http":    a.httpJob,
		"log_in":  a.logInJob,
		"app":     a.appJob,
		"mail":    a.mailJob,
		"contact": a.contactJob,
		"case":    a.caseJob,
	}
}
