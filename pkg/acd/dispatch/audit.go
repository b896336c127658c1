package dispatch

import (
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/acd"
)

// auditor samples the engine's promises while it works. What it finds is
// counted, explained in the log and cured; a cure is an event like any other.
type auditor struct {
	alive   func(string) bool
	sampler acd.Sampler
	last    time.Time // of the sample
	cured   time.Time // of the repair
}

const (
	// auditEvery and auditAgents bound the cost: 50 agents take some 20 µs, five
	// times a second; 10,000 agents are gone through in 40 s.
	auditEvery  = 200 * time.Millisecond
	auditAgents = 50
	// repairEvery keeps a fault that comes back from stopping the house.
	repairEvery = 10 * time.Second
)

func (d *Dispatcher) auditNow() {
	now := time.Now()
	if now.Sub(d.audit.last) < auditEvery {
		return
	}
	d.audit.last = now
	found := d.audit.sampler.Sample(d.eng, auditAgents, d.audit.alive)
	repair := false
	for _, b := range found {
		d.met.breaches.WithLabelValues(b.Rule).Inc()
		d.log.Error("acd promise broken, being repaired", zap.String("reason", b.Rule), zap.String("detail", b.Detail), zap.String("call_id", b.CallID))
		if b.CallID != "" {
			d.step(acd.Gone{CallID: b.CallID})
		} else {
			repair = true
		}
	}
	if repair && now.Sub(d.audit.cured) >= repairEvery {
		d.audit.cured = now
		d.step(acd.Repair{})
	}
}
