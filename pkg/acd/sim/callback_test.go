package sim

import (
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd"
)

// TestCallbacksArePlayed: who asks to be called back is served in the old place, the
// conversation is handled with its wrap-up, and no queue without callbacks is asked.
func TestCallbacksArePlayed(t *testing.T) {
	const text = `
length: 20m
phones: {ring: 2s}
calls:
  - {at: 0s, queue: q, talk: 60s}                                 # rings 2 s, talks to 1:02, wrap-up to 1:12
  - {at: 10s, queue: q, talk: 30s, callback: 15s, patience: 40s}  # asks at 0:25; offered 1:12, called 1:14, talks 1:24 to 1:54, wrap-up to 2:04
  - {at: 20s, queue: q, talk: 30s, patience: 10m}                 # offered 2:04, talks 2:06 to 2:36
shifts:
  - {agents: [ana], from: 0s, to: 20m}
`
	cfg := acd.Configure{Queues: []acd.Queue{{Name: "q", WrapUp: 10 * time.Second, Members: []acd.Member{{Agent: "ana"}}, Callback: acd.CallbackRules{On: true}}},
		Agents: []acd.Agent{{Name: "ana"}}}
	r := run(t, parse(t, text), cfg, 1)
	q := r.Queues[0]
	for name, want := range map[string]int64{"entered": 3, "answered": 2, "left_callback": 1, "abandoned": 0, "handled": 3, "talk_ms": 120_000, "wrap_up_ms": 30_000,
		"callbacks_asked": 1, "callback_tries": 1, "callbacks_reached": 1, "callback_wait_ms": 74_000, "wait_answered_ms": 2000 + 106_000} {
		wantCount(t, q, name, want)
	}
	cfg.Queues[0].Callback.On = false
	r = run(t, parse(t, text), cfg, 1)
	for name, want := range map[string]int64{"entered": 3, "answered": 2, "left_callback": 0, "abandoned": 1, "callbacks_asked": 0} {
		wantCount(t, r.Queues[0], name, want)
	}
}
