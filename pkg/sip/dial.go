package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/sip/dialog"
	"github.com/centrala/centrala/pkg/sip/resolve"
)

// Errors of Dial.
var (
	ErrStopped = errors.New("sip: the stack is stopped")
	ErrTooMany = errors.New("sip: too many dialogs")
)

// ParseTarget reads a SIP URI such as "sip:192.0.2.1:5060;transport=udp". A host
// name is resolved at Dial (RFC 3263). sips means TLS (RFC 3261 26.2.2), and so does
// transport=tls (RFC 5630 3.1.3: met everywhere though deprecated).
func ParseTarget(uri string) (Target, error) {
	u, ok := parseURI(uri)
	if !ok || u.Scheme != "sip" && u.Scheme != "sips" {
		return Target{}, fmt.Errorf("sip: target %q: want sip:[user@]host[:port][;transport=udp|tcp|tls] or sips:", uri)
	}
	t := Target{URI: uri, Transport: protoUDP}
	for _, p := range u.UriParams {
		if strings.EqualFold(p.K, "transport") {
			t.Transport = strings.ToLower(p.V)
		}
	}
	switch {
	case u.Scheme == "sips" && (t.Transport == protoUDP && !u.UriParams.Has("transport") || t.Transport == protoTCP || t.Transport == protoTLS):
		t.Transport = protoTLS
	case u.Scheme == "sips" || t.Transport != protoUDP && t.Transport != protoTCP && t.Transport != protoTLS:
		return Target{}, fmt.Errorf("sip: target %q: transport %q: want udp, tcp or tls, for sips tls", uri, t.Transport)
	}
	if a, err := netip.ParseAddr(strings.Trim(u.Host, "[]")); err == nil {
		port := uint16(u.Port)
		if port == 0 {
			port = defaultPort(t.Transport)
		}
		t.Addr = netip.AddrPortFrom(a.Unmap(), port)
	}
	return t, nil
}

// Dial sends an INVITE. sink is told what comes of it, in order, on the dialog's
// goroutine, and must not block; the last event is Ended. Dial itself does not
// wait: an unreachable target comes as Failed with 503.
func (s *Stack) Dial(r DialRequest, sink func(DialogEvent)) (*Dialog, error) {
	if s.stopping.Load() || !s.started.Load() {
		return nil, ErrStopped
	}
	if !r.Urgent && int(s.dialogCount.Load()) >= s.cfg.Limits.MaxDialogs {
		return nil, ErrTooMany
	}
	for _, h := range r.Headers {
		if !isToken(h.Name) || hasControl(h.Value) {
			return nil, fmt.Errorf("sip: dial: header %q is malformed", h.Name)
		}
	}
	u, ok := parseURI(r.Target.URI)
	if !ok || u.Scheme != "sip" && u.Scheme != "sips" {
		return nil, fmt.Errorf("sip: dial: target %q is no sip URI", r.Target.URI)
	}
	r.Secure = r.Secure || u.Scheme == "sips"
	callID, sh := s.newCallID(r.Near)
	d := sh.newDialog(callID)
	d.sink = sink
	d.with = party{r.Kind, r.Tenant, r.Name}
	if r.Target.Conn != 0 || r.Target.flow {
		sh.do(func() { d.begin(r, &u) })
		return d, nil
	}
	if r.Target.Addr.IsValid() {
		if r.Target.Transport == "" {
			t, err := ParseTarget(r.Target.URI)
			if err != nil {
				sh.do(d.drop)
				return nil, err
			}
			r.Target.Transport = t.Transport
		}
		one := []resolve.Target{{Transport: r.Target.Transport, Addr: r.Target.Addr}}
		sh.do(func() { d.dialFound(r, &u, one, nil) })
		return d, nil
	}
	// RFC 3261 8.1.2: a preloaded route set says where the request goes first.
	first := u
	if len(r.Target.Routes) > 0 {
		if via, ok := parseURI(uriOf(r.Target.Routes[0])); ok {
			first = via
		}
	}
	q := queryOf(&first)
	q.Secure = q.Secure || r.Secure
	if !s.addresses(q, func(list []resolve.Target, err error) {
		sh.do(func() { d.dialFound(r, &u, list, err) })
	}) {
		sh.do(d.drop)
		return nil, ErrStopped
	}
	return d, nil
}

// newCallID is a fresh Call-ID and its owner, near's if a few draws find one.
func (s *Stack) newCallID(near *Dialog) (string, *shard) {
	for tries := 4 * len(s.shards); ; tries-- {
		callID := s.newToken(2)
		if sh := s.shardOf(callID); near == nil || sh == near.sh || tries <= 0 {
			return callID, sh
		}
	}
}

// uriOf takes the URI out of a Route value: <sip:proxy.example;lr>.
func uriOf(route string) string {
	if i := strings.IndexByte(route, '<'); i >= 0 {
		route = route[i+1:]
	}
	uri, _, _ := strings.Cut(route, ">")
	return strings.TrimSpace(uri)
}

// begin starts an outgoing dialog. Owner.
func (d *Dialog) begin(r DialRequest, u *sip.Uri) {
	s := d.sh.s
	if r.Secure && !secureOnly(&r.Target) {
		s.log.Warn("sip call by sips refused: nothing but TLS may be used, and the target has none", zap.String("call_id", r.CallID), zap.String("sip_call_id", d.callID))
		d.refuse(480, "Temporarily Unavailable")
		return
	}
	h, err := s.flowTo(&r.Target)
	d.target = r.Target
	if errors.Is(err, errFlow) {
		s.log.Info("sip phone unreachable: the flow it registered over is gone", zap.String("call_id", r.CallID), zap.String("sip_call_id", d.callID))
		d.refuse(430, "Flow Failed")
		return
	}
	if err != nil {
		s.log.Warn("sip target unreachable", zap.String("call_id", r.CallID), zap.String("sip_call_id", d.callID), zap.Error(err))
	}
	d.flow, d.peer = h, h
	us := h.host()
	if r.From.Host == "" {
		r.From.Host = us
	}
	if r.To.Host == "" {
		r.To.Host = u.Host
	}
	if r.To.User == "" {
		r.To.User = unescape(u.User)
	}
	m, effects, err := dialog.NewUAC(s.dialogConfig(d.sh), d.sh.now, dialog.Invite{
		Target: r.Target.URI, Routes: r.Target.Routes, Contact: s.contact(h, u.Scheme == "sips"), From: r.From, To: r.To, CallID: d.callID,
		SDP: r.SDP, Headers: r.Headers, AuthUser: r.AuthUser, AuthPassword: r.AuthPassword, RingTimeout: r.RingTimeout,
	})
	if err != nil {
		s.log.Warn("sip dial refused", zap.String("call_id", r.CallID), zap.String("sip_call_id", d.callID), zap.Error(err))
		d.refuse(500, "Server Internal Error")
		return
	}
	d.adopt(m)
	s.log.Debug("sip call dialled", zap.String("call_id", r.CallID), zap.String("sip_call_id", d.callID), zap.String("remote", h.remote.String()))
	d.carry(effects)
	d.deliver() // what was asked before there was a machine
}

// secureOnly leaves of a target and its backups those that are reached by TLS.
func secureOnly(t *Target) bool {
	all := append([]Target{*t}, t.Backup...)
	all = slices.DeleteFunc(all, func(t Target) bool { return !secured(t.Transport) })
	if len(all) == 0 {
		return false
	}
	*t, t.Backup = all[0], all[1:]
	return true
}

// hopTo is the way to a target; it never blocks.
func (s *Stack) hopTo(t Target) (hop, error) {
	if t.Transport != protoUDP {
		c := s.connByID(t.Conn)
		if c == nil {
			if t.flow {
				return hop{}, errFlow
			}
			name := t.ServerName
			if u, ok := parseURI(t.URI); ok && name == "" {
				name = strings.Trim(u.Host, "[]")
			}
			var err error
			if c, err = s.connTo(t.Transport, t.Addr, name); err != nil {
				return hop{}, err
			}
		}
		return hop{l: c.l, conn: c, remote: c.remote}, nil
	}
	if !t.Addr.IsValid() {
		return hop{}, errors.New("sip: no address")
	}
	l := s.listenerFor(protoUDP, t.Addr)
	if l == nil {
		return hop{}, errNoListener
	}
	return hop{l: l, remote: t.Addr}, nil
}

// refuse ends a call that was never sent.
func (d *Dialog) refuse(code int, reason string) {
	d.mu.Lock()
	sink := d.sink
	d.mu.Unlock()
	if sink != nil {
		sink(Failed{Code: code, Reason: reason})
		sink(Ended{By: EndLocal, Code: code, Reason: reason})
	}
	d.drop()
}
