package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/centrala/centrala/ivr"
	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/ivr/flowcheck"
	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/ivr/rehearsal"
	"github.com/centrala/centrala/pkg/app"
	"github.com/centrala/centrala/pkg/resource"
)

type flowRunCmd struct {
	target
	Flow      string            `arg:"" help:"Flow."`
	Documents []string          `arg:"" optional:"" help:"Resource documents with the flow: files or folders; without them the running server's."`
	Caller    string            `help:"Number of the caller." default:"1000"`
	Dialled   string            `help:"Number that was dialled." default:"100"`
	Language  string            `help:"Language of the call."`
	At        string            `help:"Moment of the call, such as \"2026-11-23 10:00\"; default now."`
	Set       map[string]string `help:"Variables: --set name=value."`
	Real      bool              `help:"On real time: prompts and time-outs last as long as they do on the phone."`

	in io.Reader `kong:"-"`
}

func (flowRunCmd) Help() string {
	return "Type keys and press Enter. An empty line lets time go on: the prompt ends, the time-out comes. In a queue, while somebody is called or a service is asked, type what comes of it (answered, timeout, busy, ok name=Ana ...). q hangs up.\n\nExamples:\n  centrala flow run main configs/demo/resources\n  centrala flow run main --at \"2026-12-25 10:00\" --set vip=yes"
}

func (k flowRunCmd) Run(ctx context.Context, c *cli) error {
	docs, err := k.documents()
	if err != nil {
		return err
	}
	set := resource.NewSet(docs)
	flows := map[string]*flow.Flow{}
	for key, spec := range set.Flows {
		if key.Tenant != k.Tenant {
			continue
		}
		f, err := flow.Parse(key.Name, spec.Raw)
		if err != nil {
			if key.Name == k.Flow {
				return err
			}
			continue
		}
		flows[key.Name] = f
	}
	f := flows[k.Flow]
	if f == nil {
		return fmt.Errorf("no flow %q in the documents", k.Flow)
	}
	h := flowcheck.House(set, k.Tenant, func(name string) *flow.Flow { return flows[name] })
	at := time.Now()
	if k.At != "" {
		if at, err = (&flow.Test{At: k.At}).Moment(h.Zone); err != nil {
			return usageError{fmt.Errorf("--at: %w", err)}
		}
	}
	in := ivr.Input{Tenant: k.Tenant, CallID: "terminal", From: k.Caller, To: k.Dialled, Language: cmp.Or(k.Language, flowcheck.LanguageOf(set, k.Tenant, k.Flow))}
	if len(k.Set) > 0 {
		in.Previous = &ivr.State{Vars: k.Set}
	}
	s := &stage{c: c, call: rehearsal.Start(h, f, in, at), began: at, real: k.Real, text: func(name, lang string) string {
		if p := set.Prompts[resource.Key{Tenant: k.Tenant, Name: name}]; p != nil && p.Text[lang] != "" {
			return p.Text[lang]
		}
		return prompt.Text(name, lang)
	}}
	return s.play(ctx, lines(ctx, k.in))
}

func (k flowRunCmd) documents() ([]resource.Document, error) {
	if len(k.Documents) > 0 {
		return app.ReadDocuments(k.Documents)
	}
	text, err := k.client().Export(context.Background(), false)
	if err != nil {
		return nil, err
	}
	return resource.ParseYAML(bytes.NewReader(text), "server")
}

// lines reads what is typed until the end of the input or of ctx.
func lines(ctx context.Context, in io.Reader) <-chan string {
	if in == nil {
		in = os.Stdin
	}
	out := make(chan string)
	go func() {
		defer close(out)
		for s := bufio.NewScanner(in); s.Scan(); {
			select {
			case out <- strings.TrimSpace(s.Text()):
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// stage is a flow being played to somebody at a terminal.
type stage struct {
	c     *cli
	call  *rehearsal.Call
	began time.Time
	real  bool
	text  func(name, lang string) string
	heard time.Duration // how long what is said takes
}

// perCharacter is about how long a spoken text takes: fifteen characters a second.
const perCharacter = 65 * time.Millisecond

func (s *stage) show() {
	for _, n := range s.call.Notes() {
		at := n.At.Sub(s.began).Round(100 * time.Millisecond)
		text := n.Text
		if n.What == "say" {
			text = n.Spoken(s.text)
			s.heard = time.Duration(utf8.RuneCountInString(text)) * perCharacter
		}
		fmt.Fprintf(s.c.out, "%8s  %-6s  %s\n", at, n.What, text)
	}
}

// play goes on until the call is over, the input ends or ctx does.
func (s *stage) play(ctx context.Context, in <-chan string) error {
	for {
		s.show()
		w := s.call.Waits()
		if w == rehearsal.Over {
			return nil
		}
		var due <-chan time.Time
		wait := time.Duration(-1)
		if s.real {
			if wait = s.due(w); wait >= 0 {
				t := time.NewTimer(wait)
				defer t.Stop()
				due = t.C
			}
		}
		began := time.Now()
		s.prompt(w)
		select {
		case <-ctx.Done():
			return nil
		case <-due:
			if w == rehearsal.Listener {
				s.call.Pass(wait)
			}
			if err := s.call.Do(rehearsal.Act{Wait: true}); err != nil {
				return err
			}
		case line, ok := <-in:
			if s.real {
				s.call.Pass(time.Since(began))
			}
			if !ok || line == "q" {
				fmt.Fprintln(s.c.out, "hung up:", s.call.End())
				return nil
			}
			if err := s.typed(w, line); err != nil {
				fmt.Fprintln(s.c.out, "          ", err)
			}
		}
	}
}

// due is how long what is waited for lasts; negative: until it is told.
func (s *stage) due(w rehearsal.Wait) time.Duration {
	if w == rehearsal.Listener {
		return s.heard
	}
	return s.call.Pass(0)
}

func (s *stage) prompt(w rehearsal.Wait) {
	ask := map[rehearsal.Wait]string{rehearsal.Keys: "keys?", rehearsal.Agent: "in the queue: answered, timeout, empty, full, a key?", rehearsal.Party: "ringing: answered, no_answer, busy, failed?",
		rehearsal.Talk: "talking: Enter hangs up the other side", rehearsal.Elsewhere: "what does the service say: ok, failed ..., name=value?"}
	if q := ask[w]; q != "" {
		fmt.Fprintf(s.c.out, "          > %s\n", q)
	}
}

// goOn lets happen what comes by itself.
func (s *stage) typed(w rehearsal.Wait, line string) error {
	if line == "" {
		if w == rehearsal.Party || w == rehearsal.Elsewhere && s.call.State().Timer == 0 {
			return errors.New("type what comes of it")
		}
		return s.call.Do(rehearsal.Act{Wait: true})
	}
	if strings.Trim(line, "0123456789*#ABCD") == "" {
		return s.call.Do(rehearsal.Act{Keys: line})
	}
	fields := strings.Fields(line)
	a := rehearsal.Act{Outcome: fields[0], Values: map[string]string{}}
	for _, f := range fields[1:] {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			return fmt.Errorf("%q: want name=value", f)
		}
		a.Values[name] = value
	}
	switch w {
	case rehearsal.Agent, rehearsal.Party, rehearsal.Talk, rehearsal.Elsewhere:
		return s.call.Do(a)
	}
	return errors.New("want keys, Enter or q")
}
