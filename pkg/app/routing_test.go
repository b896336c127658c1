package app

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/resource"
)

// TestStrategiesAreTheSame: what a document may name is what the engine has.
func TestStrategiesAreTheSame(t *testing.T) {
	if !slices.Equal(slices.Sorted(slices.Values(resource.Strategies)), slices.Sorted(slices.Values(acd.Strategies))) {
		t.Errorf("resource %v, acd %v", resource.Strategies, acd.Strategies)
	}
	if !slices.Equal(slices.Sorted(slices.Values(resource.OfferCauses)), slices.Sorted(slices.Values(acd.Causes))) {
		t.Errorf("resource %v, acd %v", resource.OfferCauses, acd.Causes)
	}
}

// TestRoutingBook plays each example of docs/routing.md: the documents are
// checked and configured as an apply does, the score is played on virtual time.
func TestRoutingBook(t *testing.T) {
	text, err := os.ReadFile("../../docs/routing.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, section := range strings.Split(string(text), "\n#")[1:] {
		title := strings.TrimSpace(strings.TrimLeft(strings.SplitN(section, "\n", 2)[0], "#"))
		if yaml := block(section, "yaml checked"); yaml != "" { // of what is outside the engine
			t.Run(title, func(t *testing.T) { checkExample(t, yaml) })
		}
		yaml, score := block(section, "yaml"), block(section, "score")
		if (yaml == "") != (score == "") {
			t.Errorf("%s: documents without a score, or a score without documents", title)
		}
		if yaml == "" {
			continue
		}
		examples++
		t.Run(title, func(t *testing.T) { playExample(t, yaml, score) })
	}
	if examples < 15 {
		t.Errorf("%d examples: every rule has one", examples)
	}
	for _, s := range acd.Strategies {
		if !strings.Contains(string(text), "### "+s+"\n") {
			t.Errorf("strategy %s has no section", s)
		}
	}
}

func block(section, kind string) string {
	_, rest, ok := strings.Cut(section, "```"+kind+"\n")
	if !ok {
		return ""
	}
	body, _, _ := strings.Cut(rest, "```")
	return body
}

// book plays one example.
type book struct {
	t     *testing.T
	e     *acd.Engine
	now   time.Time
	got   []string
	live  map[string]acd.Offer        // by call and agent
	tries map[string]string           // callback -> the call of its last offer
	says  func(items uint32) []string // what announcements say; nil = they are not told
}

// checkExample reads an example's documents, with agents ana, bob and cid, and checks
// them as an apply does.
func checkExample(t *testing.T, yaml string) *resource.Set {
	t.Helper()
	var plain strings.Builder
	for _, n := range []string{"ana", "bob", "cid"} {
		if !strings.Contains(yaml, "kind: user\nname: "+n+"\n") {
			fmt.Fprintf(&plain, "kind: user\nname: %s\nspec: {device: %s-phone}\n---\n", n, n)
		}
		fmt.Fprintf(&plain, "kind: device\nname: %s-phone\nspec: {password: not-a-real-one-%s}\n---\n", n, n)
	}
	docs, err := resource.ParseYAML(strings.NewReader(plain.String()+yaml), "routing.md")
	if err != nil {
		t.Fatal(err)
	}
	set := resource.Merge(resource.NewSet(nil), docs, false)
	if err := resource.Errors(resource.Check(set, NewFlowChecker(set, "", false))); err != nil {
		t.Fatal(err)
	}
	return set
}

func playExample(t *testing.T, yaml, score string) {
	set := checkExample(t, yaml)
	h := &house{spec: set.Tenants["default"], queues: map[string]*resource.QueueSpec{}, users: map[string]*resource.UserSpec{}}
	if h.spec == nil {
		h.spec = &resource.TenantSpec{}
	}
	for k, q := range set.Queues {
		h.queues[k.Name] = q
	}
	for k, u := range set.Users {
		h.users[k.Name] = u
	}
	c := h.acdConfig()
	slices.SortFunc(c.Agents, func(a, b acd.Agent) int { return strings.Compare(a.Name, b.Name) })
	b := &book{t: t, e: acd.New(acd.Config{}), now: time.Date(2026, 3, 29, 0, 59, 0, 0, time.UTC), live: map[string]acd.Offer{}, tries: map[string]string{}}
	start := b.now
	if strings.Contains(yaml, "announce:") {
		b.says = func(items uint32) []string { return h.QueueAnnounce("sales", items) }
	}
	b.step(c)
	var want []string
	for line := range strings.Lines(score) {
		f := strings.Fields(line)
		at, err := time.ParseDuration(f[0])
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if f[1] == "->" {
			b.until(start.Add(at), start)
			want = append(want, at.String()+" "+strings.Join(f[2:], " "))
			continue
		}
		b.until(start.Add(at-time.Nanosecond), start)
		b.now = start.Add(at)
		b.act(f[1], f[2:], start)
	}
	if strings.Join(b.got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the engine does\n  %s\nthe document says\n  %s", strings.Join(b.got, "\n  "), strings.Join(want, "\n  "))
	}
}

// until lets deadlines pass.
func (b *book) until(to, start time.Time) {
	for {
		at, ok := b.e.NextDeadline()
		if !ok || at.After(to) {
			return
		}
		b.now = at
		b.tell(b.step(acd.Tick{}), start)
	}
}

func (b *book) step(ev acd.Event) []acd.Effect {
	out := slices.Clone(b.e.Step(b.now, ev))
	if bad := acd.Audit(b.e); len(bad) > 0 {
		b.t.Fatalf("after %+v: %v", ev, bad)
	}
	return out
}

func (b *book) tell(effects []acd.Effect, start time.Time) {
	say := func(format string, args ...any) {
		b.got = append(b.got, b.now.Sub(start).String()+" "+fmt.Sprintf(format, args...))
	}
	var next []acd.Event
	defer func() {
		for _, ev := range next {
			b.tell(b.step(ev), start)
		}
	}()
	for _, f := range effects {
		switch f := f.(type) {
		case acd.Offer:
			if f.Callback != "" {
				b.live[f.Callback+" "+f.Agent], b.tries[f.Callback] = f, f.CallID
				say("%s rings for the callback of %s", f.Agent, f.Callback)
				continue
			}
			b.live[f.CallID+" "+f.Agent] = f
			say("%s rings for %s", f.Agent, f.CallID)
		case acd.WithdrawOffer:
			say("%s stops ringing for %s: %s", f.Agent, f.CallID, f.Why)
		case acd.CallbackTried:
			say("%s is dialled for %s: %s", f.CallID, f.Agent, f.Outcome)
		case acd.CallbackOver:
			say("the callback of %s ends: %s", f.CallID, f.CallbackEnded.Outcome)
		case acd.LeftQueue:
			if f.Callback != "" {
				continue
			}
			if f.To == "" {
				say("%s leaves: %s", f.CallID, f.Outcome)
				continue
			}
			say("%s goes to %s: %s", f.CallID, f.To, f.Why)
			if to, ok := strings.CutPrefix(f.To, "queue:"); ok {
				next = append(next, acd.Enter{CallID: f.CallID, Queue: to, ArrivedAt: b.now.Add(-f.Wait)})
			}
		case acd.Joined:
			if f.Before != "" {
				say("%s has the place of %s: number %d", f.CallID, f.Before, f.Position)
			}
		case acd.Announce:
			if b.says != nil {
				say("%s hears: %s", f.CallID, strings.Join(b.says(f.Items), ", "))
			}
		case acd.AgentChanged:
			if f.To == "not_ready" {
				say("%s is not ready: %s", f.Agent, f.Reason)
			}
		case acd.Fault:
			b.t.Fatalf("fault %s: %s", f.Rule, f.Detail)
		}
	}
}

func (b *book) act(what string, args []string, start time.Time) {
	offer := func() string { return b.live[args[0]+" "+args[1]].OfferID }
	one := map[string]func() acd.Event{
		"ask":         func() acd.Event { return acd.AskCallback{CallID: args[0], Number: args[1], Caller: args[1], By: "key"} },
		"tried":       func() acd.Event { return acd.CallbackResult{CallID: b.tries[args[0]], Outcome: args[1]} },
		"accept":      func() acd.Event { return acd.OfferAccepted{OfferID: offer()} },
		"ringing":     func() acd.Event { return acd.OfferRinging{OfferID: offer()} },
		"busy":        func() acd.Event { return acd.OfferFailed{OfferID: offer(), Cause: acd.CauseBusy} },
		"not_ready":   func() acd.Event { return acd.SetNotReady{Agent: args[0], Reason: args[1], By: acd.ByPhone} },
		"unreachable": func() acd.Event { return acd.Reach{Device: args[0]} },
		"push":        func() acd.Event { return acd.Assign{CallID: args[0], Agent: args[1], By: acd.BySupervisor} },
		"pull":        func() acd.Event { return acd.Assign{CallID: args[0], Agent: args[1], By: acd.ByPhone, Pull: true} },
		"extend": func() acd.Event {
			d, _ := time.ParseDuration(args[1])
			return acd.ExtendWrapUp{Agent: args[0], By: acd.ByPhone, For: d}
		},
		"hang_up": func() acd.Event {
			if len(args) == 1 {
				return acd.Leave{CallID: args[0]}
			}
			if try := b.tries[args[0]]; try != "" {
				return acd.CallEnded{Agent: args[1], CallID: try}
			}
			return acd.CallEnded{Agent: args[1], CallID: args[0]}
		},
		"call": func() acd.Event {
			ev := acd.Enter{CallID: args[0], Queue: "sales"}
			for _, o := range args[1:] {
				k, v, _ := strings.Cut(o, "=")
				switch k {
				case "priority":
					ev.Priority, _ = strconv.Atoi(v)
				case "from":
					ev.From, ev.Returns = v, v
				default:
					b.t.Fatalf("%q", o)
				}
			}
			return ev
		},
	}
	if what == "log_in" {
		for _, a := range args {
			b.tell(b.step(acd.LogIn{Agent: a, By: acd.ByPhone}), start)
		}
		return
	}
	if one[what] == nil {
		b.t.Fatalf("no action %q", what)
	}
	b.tell(b.step(one[what]()), start)
}
