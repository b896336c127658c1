package sip

import (
	"bytes"
	"hash/maphash"
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/centrala/centrala/pkg/sip/overload"
)

// early refuses new calls of a busy node as they are read from a UDP socket: before
// they are parsed, queued and given to their owner, which costs ten times as much and
// is what a node at three times its load would be doing most. Only what is plain is
// refused here; all that is unusual (folded or repeated headers, no rport, a To tag)
// goes the long way, and so do calls to emergency numbers. How many pass is told by
// the owners (see shard.shed), who have the last word on those. Reader only.
type early struct {
	l       *listener
	epoch   time.Time
	last    time.Duration // newest refusal since epoch
	doors   []earlyDoor   // by shard
	refused refusals      // what was refused stays refused,
	taken   refusals      // and what was taken is taken when it comes again
	out     bytes.Buffer
	head    rawHead
}

// earlyDoor is a token bucket for one owner's new calls.
type earlyDoor struct {
	tokens float64
	at     time.Duration
}

// earlyRoom is by how much more calls pass here than the owner says that it takes: its
// own gate has to see that there is more than it can do.
const earlyRoom = 1.25

func newEarly(l *listener) *early {
	return &early{l: l, epoch: time.Now(), doors: make([]earlyDoor, len(l.s.shards))}
}

// handled reports that b, read at now, needs nothing further: a new call that was
// refused, or the ACK of one.
func (e *early) handled(b []byte, from netip.AddrPort, now time.Time) bool {
	if len(b) < 4 {
		return false
	}
	invite := string(b[:4]) == "INVI"
	if !invite && string(b[:4]) != "ACK " {
		return false
	}
	s := e.l.s
	if s.cfg.Defence.OverloadOff {
		return false
	}
	at := now.Sub(e.epoch)
	if !invite && (e.last == 0 || at-e.last > refusalFor) {
		return false
	}
	h := &e.head
	if !h.read(b) || invite == (h.tag != nil) || !h.plain(from) {
		return false
	}
	if !invite {
		// Nobody waits for this ACK: the refusal had no transaction.
		ours := h.refusedBy(s)
		if ours {
			s.met.request("ACK", protoUDP)
		}
		return ours
	}
	sh := s.shardOf(string(h.callID))
	refused := e.last > 0 && at-e.last < refusalFor && e.refused.has(h.via, at)
	if !refused {
		if e.taken.has(h.via, at) {
			return false
		}
		limit := math.Float64frombits(sh.limit.Load())
		if limit == 0 || e.doors[sh.n].admit(limit*earlyRoom, at) || s.deps.Urgent != nil && s.deps.Urgent(unescape(string(h.user))) {
			e.taken.note(h.via, at)
			return false
		}
		e.refused.note(h.via, at)
	}
	e.last = at
	sh.turnedAway.Add(1)
	s.met.request("INVITE", protoUDP)
	s.met.shed[overload.Call].Inc()
	s.met.response("INVITE", 503)
	e.refuse(from)
	return true
}

func (d *earlyDoor) admit(rate float64, at time.Duration) bool {
	d.tokens = min(d.tokens+rate*(at-d.at).Seconds(), max(1, rate/20)) // at most 50 ms at once
	d.at = at
	if d.tokens < 1 {
		return false
	}
	d.tokens--
	return true
}

// refuse answers the INVITE in e.head as Stack.answer would (RFC 3261 8.2.6, 18.2.1;
// RFC 3581 4).
func (e *early) refuse(from netip.AddrPort) {
	s, h, o := e.l.s, &e.head, &e.out
	o.Reset()
	o.WriteString("SIP/2.0 503 Service Unavailable\r\nVia: ")
	o.Write(h.via[:h.rport])
	o.WriteByte('=')
	o.Write(strconv.AppendUint(o.AvailableBuffer(), uint64(from.Port()), 10))
	o.Write(h.via[h.rport:])
	o.WriteString(";received=")
	o.Write(from.Addr().AppendTo(o.AvailableBuffer()))
	for _, v := range h.vias[1:h.nVias] {
		o.WriteString("\r\nVia: ")
		o.Write(v)
	}
	o.WriteString("\r\nFrom: ")
	o.Write(h.from)
	o.WriteString("\r\nTo: ")
	o.Write(h.to)
	o.WriteString(";tag=")
	o.Write(h.ourTag(o.AvailableBuffer(), s.seed))
	o.WriteString("\r\nCall-ID: ")
	o.Write(h.callID)
	o.WriteString("\r\nCSeq: ")
	o.Write(h.cseq)
	retry := s.retryAfter()
	o.WriteString("\r\n" + retry.Name + ": ")
	o.WriteString(retry.Value)
	if s.cfg.UserAgent != "" {
		o.WriteString("\r\nServer: ")
		o.WriteString(s.cfg.UserAgent)
	}
	o.WriteString("\r\nContent-Length: 0\r\n\r\n")
	if _, err := e.l.udp.WriteToUDPAddrPort(o.Bytes(), from); err != nil {
		s.met.dropped[dropSend].Inc()
	}
}

// rawHead is what an answer repeats of a request, as it came; slices of the message.
type rawHead struct {
	method                      string
	user                        []byte // of the Request-URI, escaped
	vias                        [8][]byte
	nVias                       int
	via                         []byte // the top one
	branch                      []byte
	rport                       int // behind ";rport" in via
	from, to, tag, callID, cseq []byte
}

// read takes the head apart; false: it is not plain, whether right or wrong.
func (h *rawHead) read(b []byte) bool {
	*h = rawHead{}
	line, rest, ok := cutLine(b)
	if !ok {
		return false
	}
	switch {
	case bytes.HasPrefix(line, []byte("INVITE sip:")) && bytes.HasSuffix(line, []byte(" SIP/2.0")):
		h.method = "INVITE"
		h.user = line[len("INVITE sip:"):]
		if i := bytes.IndexByte(h.user, '@'); i >= 0 {
			h.user = h.user[:i]
		} else {
			return false
		}
	case bytes.HasPrefix(line, []byte("ACK sip:")) && bytes.HasSuffix(line, []byte(" SIP/2.0")):
		h.method = "ACK"
	default:
		return false
	}
	for {
		if line, rest, ok = cutLine(rest); !ok {
			return false
		}
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 1 {
			return false
		}
		value := bytes.TrimLeft(line[colon+1:], " ")
		var once *[]byte
		switch name := line[:colon]; {
		case isName(name, "via", 'v'):
			if h.nVias == len(h.vias) || bytes.IndexByte(value, ',') >= 0 {
				return false
			}
			h.vias[h.nVias] = value
			h.nVias++
			continue
		case isName(name, "from", 'f'):
			once = &h.from
		case isName(name, "to", 't'):
			once = &h.to
		case isName(name, "call-id", 'i'):
			once = &h.callID
		case isName(name, "cseq", 0):
			once = &h.cseq
		case isName(name, "route", 0), isName(name, "replaces", 0), isName(name, "require", 0), name[len(name)-1] == ' ':
			return false
		default:
			continue
		}
		if *once != nil || len(value) == 0 {
			return false
		}
		*once = value
	}
	if h.nVias == 0 || h.from == nil || h.to == nil || h.callID == nil || h.cseq == nil || len(h.callID) > maxCallID {
		return false
	}
	if bytes.IndexByte(h.callID, ' ') >= 0 || !bytes.HasSuffix(h.cseq, []byte(" "+h.method)) {
		return false
	}
	h.via = h.vias[0]
	if _, p, ok := bytes.Cut(h.to, []byte(">")); ok {
		if i := bytes.Index(p, []byte(";tag=")); i >= 0 {
			h.tag, _, _ = bytes.Cut(p[i+5:], []byte(";"))
		}
	} else {
		return false
	}
	return true
}

// plain reads the top Via: by UDP, with the cookie, an rport to fill in, and from where
// it says.
func (h *rawHead) plain(from netip.AddrPort) bool {
	if !bytes.HasPrefix(h.via, []byte("SIP/2.0/UDP ")) || bytes.Contains(h.via, []byte("received")) || !from.Addr().IsValid() {
		return false
	}
	i := bytes.Index(h.via, []byte(";branch="+cookie))
	if i < 0 {
		return false
	}
	h.branch, _, _ = bytes.Cut(h.via[i+len(";branch="):], []byte(";"))
	if len(h.branch) <= len(cookie) || bytes.ContainsAny(h.branch, " \t") {
		return false
	}
	if i = bytes.Index(h.via, []byte(";rport")); i < 0 {
		return false
	}
	h.rport = i + len(";rport")
	return h.rport == len(h.via) || h.via[h.rport] == ';'
}

// ourTag is Stack.statelessTag of the same request.
func (h *rawHead) ourTag(b []byte, seed maphash.Seed) []byte {
	var sum maphash.Hash
	sum.SetSeed(seed)
	sum.Write(h.callID)
	sum.Write(h.branch)
	return strconv.AppendUint(append(b, 's'), sum.Sum64(), 36)
}

func (h *rawHead) refusedBy(s *Stack) bool {
	var b [24]byte
	return bytes.Equal(h.ourTag(b[:0], s.seed), h.tag)
}

// cutLine takes one line off; false: it does not end, it is folded, or it has
// characters that want a closer look.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' || b[0] == ' ' || b[0] == '\t' {
		return nil, nil, false
	}
	line = b[:i-1]
	for _, c := range line {
		if c < ' ' || c == 0x7f {
			return nil, nil, false
		}
	}
	return line, b[i+1:], true
}

// isName compares a header's name with its long form in lower case and its short one.
func isName(name []byte, long string, short byte) bool {
	if len(name) == 1 {
		return short != 0 && name[0]|0x20 == short
	}
	return len(name) == len(long) && equalFold(name, long)
}
