package sip

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/centrala/centrala/pkg/sip/registrar"
	"github.com/centrala/centrala/pkg/sip/subscription"
)

// Managing client-initiated connections (RFC 5626): a phone names itself
// (+sip.instance) and each way it is reached by (reg-id); requests to it go by
// the very connection or NAT binding that it registered over.

// outbound says what a REGISTER asks of RFC 5626, and refuses what it may not.
type outbound struct {
	on bool // reg-id counts
}

// readOutbound checks a REGISTER (RFC 5626 6). refused is 0, or the status.
func readOutbound(req *sip.Request, r *registrar.Request) (o outbound, refused int, reason string) {
	flows := 0
	for i := range r.Contacts {
		c := &r.Contacts[i]
		if c.RegID == 0 {
			continue
		}
		if c.Instance == "" || !names(req, "Supported", "outbound") && !names(req, "Require", "outbound") {
			// Without either the reg-id means nothing; an instance alone still
			// tells that this is the same phone.
			c.Forget()
			continue
		}
		flows++
	}
	if flows == 0 {
		return o, 0, ""
	}
	if flows > 1 {
		return o, 400, "Several Flows In One REGISTER"
	}
	if paths := req.GetHeaders("path"); len(paths) > 0 && !obParam(paths[len(paths)-1].Value()) {
		// The edge proxy next to the phone did not promise to keep the flow.
		return o, 439, "First Hop Lacks Outbound Support"
	}
	return outbound{on: true}, 0, ""
}

// names reports whether a header lists an option tag.
func names(req *sip.Request, header, tag string) bool {
	for _, h := range req.GetHeaders(header) {
		for v := range strings.SplitSeq(h.Value(), ",") {
			if strings.EqualFold(strings.TrimSpace(v), tag) {
				return true
			}
		}
	}
	return false
}

// obParam finds the "ob" URI parameter of a Path value.
func obParam(path string) bool {
	_, rest, _ := strings.Cut(path, "<")
	uri, _, _ := strings.Cut(rest, ">")
	for p := range strings.SplitSeq(uri, ";") {
		if strings.EqualFold(p, "ob") {
			return true
		}
	}
	return false
}

// headers are what the 200 adds (RFC 5626 6): the phone may then rely on us, and
// must send a keep-alive more often than Flow-Timer.
func (o outbound) headers(s *Stack, h hop) []Header {
	if !o.on {
		return nil
	}
	hs := []Header{{Name: "Require", Value: "outbound"}}
	if k := s.cfg.Keepalive.FlowTimer; k > 0 && !framed(h.proto()) {
		hs = append(hs, Header{Name: "Flow-Timer", Value: strconv.Itoa(int(k.Seconds()))})
	}
	return hs
}

// targetOf is how requests reach a binding.
func targetOf(b *registrar.Binding) Target {
	t := Target{URI: b.URI, Transport: b.Flow.Transport, Addr: b.Flow.Remote, Conn: b.Flow.Conn, Routes: b.Path, binding: b.ID}
	direct, same := contactAddr(b.URI, b.Flow.Remote, t.Transport)
	switch {
	case t.Transport == protoUDP && same && b.RegID == 0:
		// A phone may send from another port than it listens on.
		t.Addr = direct
	case t.Transport == protoUDP:
		t.flow = true // behind NAT, or outbound: its source address and port
	case framed(t.Transport) || b.RegID != 0 || !same:
		t.flow = true
	default:
		// By TCP or TLS without NAT: its own listener, when the connection is gone.
		t.Addr = direct
	}
	return t
}

// natted tells whether a binding is reached by nothing but where it came from.
func natted(b *registrar.Binding) bool {
	direct, same := contactAddr(b.URI, b.Flow.Remote, b.Flow.Transport)
	return !same || direct != b.Flow.Remote
}

// contactAddr is the address that a Contact names, and whether it is on the host
// that registered.
func contactAddr(uri string, from netip.AddrPort, proto string) (netip.AddrPort, bool) {
	u, ok := parseURI(uri)
	if !ok {
		return from, false
	}
	a, err := netip.ParseAddr(strings.Trim(u.Host, "[]"))
	if err != nil || a.Unmap() != from.Addr() {
		return from, false
	}
	port := uint16(u.Port)
	if port == 0 {
		port = defaultPort(proto)
	}
	return netip.AddrPortFrom(from.Addr(), port), true
}

// byInstance puts the flows of one phone together: the newest first, the others
// behind it (RFC 5626 7.2: a request must not go to two of them at once).
func byInstance(bindings []registrar.Binding) []Target {
	out := make([]Target, 0, len(bindings))
	at := map[string]int{}
	for i := range bindings {
		b := &bindings[i]
		t := targetOf(b)
		if b.Instance != "" && b.RegID != 0 {
			if first, ok := at[b.Instance]; ok {
				out[first].Backup = append(out[first].Backup, t)
				continue
			}
			at[b.Instance] = len(out)
		}
		out = append(out, t)
	}
	return out
}

// flowTo is the way to a target or, where its flow is gone, to the next one of
// the same phone, which then takes its place in t. A flow that is gone takes its
// binding with it (RFC 5626 5.3.1: 430).
func (s *Stack) flowTo(t *Target) (hop, error) {
	for {
		h, err := s.hopTo(*t)
		if !errors.Is(err, errFlow) {
			return h, err
		}
		s.unbind(t.binding)
		if len(t.Backup) == 0 {
			return h, err
		}
		next := t.Backup[0]
		next.Backup = t.Backup[1:]
		*t = next
	}
}

// unbind drops a binding that leads nowhere any more.
func (s *Stack) unbind(id registrar.ID) {
	if id == (registrar.ID{}) || s.stopping.Load() {
		return
	}
	s.door.mu.Lock()
	deleted, down := s.door.reg.Remove(id)
	for _, k := range down {
		s.door.news = append(s.door.news, presence{k, false})
	}
	s.door.note(nil, deleted)
	s.met.registrations.Set(float64(s.door.reg.Len()))
	s.door.mu.Unlock()
	s.regChanged(subscription.ContactDeactivated, keysOf(deleted)...)
}
