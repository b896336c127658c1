package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/apps"
)

const secret = "0123456789abcdef"

// Callers go through the sample applications, as they come over HTTP and through the
// interpreter: the one in Go, and that of Node where there is a node.
func TestSamples(t *testing.T) {
	t.Run("go", func(t *testing.T) {
		srv := httptest.NewServer(handler(secret))
		defer srv.Close()
		lead(t, srv.URL)
	})
	t.Run("node", func(t *testing.T) {
		node, err := exec.LookPath("node")
		if err != nil {
			t.Skip("no node here")
		}
		ctx, cancel := context.WithCancel(context.Background())
		cmd := exec.CommandContext(ctx, node, "../node/server.mjs", "0", secret)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		defer func() { cancel(); cmd.Wait() }()
		line := bufio.NewScanner(out)
		if !line.Scan() {
			t.Fatal("it does not say where it listens")
		}
		lead(t, line.Text())
	})
}

// lead calls three times: an order there is, none there is, and silence.
func lead(t *testing.T, url string) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := apps.New(apps.Options{HTTP: &http.Client{Transport: transport}})
	defer c.Stop(context.Background())
	if _, err := c.Ask(t.Context(), "default", "c", apps.App{URL: url, Secret: "another secret of 16"}, []byte("{}")); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("another's signature: %v", err)
	}
	for _, row := range []struct {
		keys []string
		want []string
	}{
		{[]string{"1234"}, []string{"Please enter the number of your order.", "beep", "Your order is on its way and comes tomorrow.", "hangup normal"}},
		{[]string{"9999", "5678"}, []string{"Please enter the number of your order.", "beep", "There is no such order.", "Please enter the number of your order.", "beep",
			"Your order waits for you in the shop.", "hangup normal"}},
		{nil, []string{"Please enter the number of your order.", "beep", "queue sales", "goodbye", "hangup normal"}},
	} {
		if got := call(t, c, apps.App{Name: "orders", URL: url, Secret: secret}, row.keys); !slices.Equal(got, row.want) {
			t.Errorf("keys %q: got %q\nwant %q", row.keys, got, row.want)
		}
	}
}

// call plays one call and tells what was heard and where it led.
func call(t *testing.T, c *apps.Client, a apps.App, keys []string) (did []string) {
	t.Helper()
	f := flow.ForApp("orders")
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s, actions := ivr.Start(now, f, ivr.Input{CallID: "c", App: func(string) (ivr.AppInfo, bool) { return ivr.AppInfo{}, true }})
	var timer uint64
	for range 200 {
		var next ivr.Event
		for _, act := range actions {
			switch act := act.(type) {
			case ivr.Do:
				verbs, err := c.Ask(t.Context(), "default", "c", a, act.Job.(*flow.AskApp).Body)
				if err != nil {
					t.Fatal(err)
				}
				next = ivr.Done{ID: act.ID, Outcome: flow.OutcomeDone, Values: map[string]string{flow.VerbsValue: string(verbs)}}
			case ivr.Play:
				for _, p := range act.Phrases {
					if p.Text != "" {
						did = append(did, p.Text)
					} else {
						did = append(did, p.Name)
					}
				}
				next = ivr.PlayDone{ID: act.ID}
			case ivr.SetTimer:
				timer = act.ID
			case ivr.Queue:
				did = append(did, "queue "+act.Queue)
				next = ivr.QueueLeft{ID: act.ID, Outcome: "timeout"}
			case ivr.Fail:
				t.Fatal(act)
			case ivr.Hangup:
				return append(did, "hangup "+act.Cause)
			}
		}
		switch {
		case next != nil:
		case len(keys) > 0 && keys[0] != "":
			next, keys[0] = ivr.Digit{Digit: keys[0][0]}, keys[0][1:]
			if keys[0] == "" {
				keys = keys[1:]
			}
		default:
			next = ivr.TimerFired{ID: timer}
		}
		actions = ivr.Step(now, f, s, next)
	}
	return append(did, fmt.Sprintf("no end in %s", s.Phase))
}
