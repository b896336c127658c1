package flow

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Stream hands the caller to a machine: a voice robot, a transcriber.
type Stream struct {
	URL       string // ws, wss, tcp or tls
	Protocol  string // "", "centrala", "audiosocket"
	Direction string // "both", "listen", "speak": what the machine does
	Tracks    []string
	Format    string
	Rate      int           // Hz
	Connect   time.Duration // to reach it; 0 = the node's
	For       time.Duration // the longest it may take
	End       byte          // the key that ends it; 0 = none
	Into      string        // variable that takes the machine's result
	// Wait: the flow goes on when the machine is through; else at once, and the
	// machine stays until the call ends.
	Wait bool
	// Hints are words that a recogniser may expect; not of the stream step.
	Hints []string
}

// stream is {url, ...}. The URL is fixed: callers choose no machine.
func (p *parser) stream(path string, v any) Body {
	b := &Stream{}
	o, ok := p.object(path, v)
	if !ok {
		return b
	}
	one := func(key, fallback string, allowed ...string) string {
		s := o.str(key, fallback)
		if !slices.Contains(allowed, s) {
			p.fault(join(path, key), "unknown %q; want one of %s", clip(s), strings.Join(allowed, ", "))
		}
		return s
	}
	b.URL = p.need(o, "url")
	scheme, rest, _ := strings.Cut(b.URL, "://")
	tcp := scheme == "tcp" || scheme == "tls"
	if !tcp && scheme != "ws" && scheme != "wss" || rest == "" || len(b.URL) > 2048 || strings.ContainsAny(b.URL, "$@ ") {
		p.fault(join(path, "url"), "want ws://, wss://, tcp:// or tls:// with a host, without variables, user or password")
	}
	b.Protocol = one("protocol", "centrala", "centrala", "audiosocket")
	b.Direction = one("direction", "both", "both", "listen", "speak")
	b.Format = one("format", "pcm16", "pcm16", "pcmu", "pcma")
	b.Rate = o.integer("rate", 8000, 8000, 16000)
	b.Tracks = o.strings("tracks")
	for i, t := range b.Tracks {
		if t != "caller" && t != "agent" && t != "mixed" {
			p.fault(fmt.Sprintf("%s.tracks[%d]", path, i), "unknown %q; want caller, agent or mixed", clip(t))
		}
	}
	b.Connect = o.duration("connect", 5*time.Second, 100*time.Millisecond, time.Minute)
	b.For = o.duration("for", 10*time.Minute, time.Second, 12*time.Hour)
	b.End = o.key("end", 0)
	b.Wait = o.boolean("wait", true)
	if b.Into = o.str("into", ""); b.Into != "" {
		p.variable(join(path, "into"), b.Into)
	}
	o.end()
	switch {
	case b.Rate != 8000 && b.Rate != 16000:
		p.fault(join(path, "rate"), "want 8000 or 16000")
	case b.Rate != 8000 && b.Format != "pcm16":
		p.fault(join(path, "rate"), "%s has 8000", b.Format)
	case b.Protocol == "audiosocket" && (!tcp || b.Format != "pcm16" || len(b.Tracks) > 1):
		p.fault(join(path, "protocol"), "audiosocket goes by tcp or tls, in pcm16, with one track")
	case slices.Contains(b.Tracks, "mixed") && len(b.Tracks) > 1:
		p.fault(join(path, "tracks"), "mixed is both already")
	case !b.Wait && (b.Into != "" || b.End != 0):
		p.fault(join(path, "wait"), "false: there is no result and no key to wait for")
	}
	return b
}

func (b *Stream) tell(_ *Step, t *traits) {
	t.waits = b.Wait
	t.sets(b.Into, setFree) // it may repeat what the caller said
}
