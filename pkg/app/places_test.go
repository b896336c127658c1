package app_test

import (
	"context"
	"strings"
	"testing"

	"github.com/centrala/centrala/pkg/api"
)

// TestRestartKeepsPlaces: who waits when the process ends and calls again has the old
// place in the next one, and its time of waiting; who called withheld, or was
// answered, has not.
func TestRestartKeepsPlaces(t *testing.T) {
	n := prepare(t)
	n.writeConfig(strings.Replace(freeForBoth(t), "0.0.0.0", "127.0.0.1", 1), "")
	n.make(nil)
	n.start()
	ctx := context.Background()
	phone := n.phone("127.0.0.1", nil)
	first, code := n.dial(phone, anna, "1001")
	if code != 200 {
		t.Fatal(code)
	}
	n.eventually("anna waits", func() bool {
		q, err := n.Queues(ctx, "default")
		return err == nil && len(q) == 1 && q[0].Waiting == 1
	})
	n.restart()
	was := n.record("default", first)
	again, code := n.dial(phone, anna, "1001")
	if code != 200 {
		t.Fatal(code)
	}
	story := func(sip string) string {
		var said string
		n.eventually("the story of "+sip, func() bool {
			page, err := n.Calls(ctx, "default", api.CallFilter{})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page.Calls {
				if c.SIPCallID == sip {
					w, err := n.Why(ctx, "default", c.ID)
					said = strings.Join(w.Story, "\n")
					return err == nil && said != ""
				}
			}
			return false
		})
		return said
	}
	if s := story(again.SIPCallID()); !strings.Contains(s, "has the old place of call "+was.ID) {
		t.Errorf("after the restart: %s", s)
	}
	// Given once: another one of the same number stands behind.
	third, code := n.dial(phone, anna, "1001")
	if code != 200 {
		t.Fatal(code)
	}
	if s := story(third.SIPCallID()); strings.Contains(s, "has the old place of") {
		t.Errorf("a third call: %s", s)
	}
}
