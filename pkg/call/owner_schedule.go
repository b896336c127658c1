package call

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// Schedules closes and opens by hand, from phones.
type Schedules interface {
	// ToggleSchedule closes the schedule of a tenant whose switch has these digits, or
	// opens it again; said is the prompt that tells which. user is who asked.
	ToggleSchedule(ctx context.Context, tenant, digits, user string) (said string, err error)
}

// toggleSchedule asks on a goroutine of its own: the store may wait for its disk.
func (o *owner) toggleSchedule(e DoFeature) {
	schedules := o.mgr.deps.Schedules
	if schedules == nil || e.Agent == "" {
		o.then(FeatureDone{"not_allowed"})
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		said, err := schedules.ToggleSchedule(ctx, o.tenant, e.Arg, e.Agent)
		if err != nil {
			o.log.Error("schedule not changed", zap.String("digits", e.Arg), zap.String("user", e.Agent), zap.Error(err))
			said = "sorry"
		}
		o.post(FeatureDone{said})
	}()
}
