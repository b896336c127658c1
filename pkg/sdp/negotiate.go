package sdp

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Local is our side of a stream.
type Local struct {
	Addr               netip.AddrPort // where we receive RTP, as the peer reaches it; RTCP is the port above
	Codecs             []Codec        // in order of our preference
	Direction          Direction      // what we are willing to do
	PtimeMs            int            // packet time we want to receive; 0 = 20
	SessionID, Version uint64         // of o=; Version rises with each change (Revise)
	Protection         Protection     // SRTP by SDES
	Web                *Web           // a browser's stream, nil = none
	XR                 XR             // extended reports that our offers ask for
	Comfort            bool           // comfort noise may be sent to us (RFC 3389), beside G.711
}

// Negotiated is what a finished offer and answer allow.
type Negotiated struct {
	Remote, RemoteRTCP       netip.AddrPort // where to send; zero while the peer holds with 0.0.0.0
	RTCPMux                  bool
	XR                       XR    // extended reports that the offerer asked for and the answer granted
	Codec                    Codec // with the payload type to send with
	RecvPT                   uint8 // payload type the peer sends with
	EventSendPT, EventRecvPT uint8 // telephone-event, 0 = none
	EventClock               int   // of telephone-event, in Hz
	Send, Recv               bool  // what we may do
	PtimeMs                  int   // packet time to send with, 10..60
	SDES                     *SDES // keys of the signalling, nil = none
	DTLS                     *DTLS // a browser's, nil = none
	ICE                      ICE   // the peer's; another Ufrag than before is an ICE restart
}

// Offer describes l (RFC 3264 5).
func Offer(l Local) []byte {
	proto, mid := "RTP/AVP", ""
	switch {
	case l.Web != nil:
		proto, mid = "UDP/TLS/RTP/SAVPF", "0"
	case l.Protection.Offer && len(l.Protection.Crypto) > 0:
		proto = "RTP/SAVP"
	}
	b := head(l, "0 0", mid)
	codecs := l.Codecs
	if l.Comfort && slices.ContainsFunc(codecs, comforted) {
		codecs = append(slices.Clone(codecs), static[13])
	}
	b = appendXR(stream(b, l, proto, codecs, l.Direction, l.Web != nil), l.XR)
	switch {
	case l.Web != nil:
		b = appendWeb(b, &l, mid, "actpass")
	case proto == "RTP/SAVP":
		for _, c := range l.Protection.Crypto {
			b = appendCrypto(b, c)
		}
	}
	return b
}

// Answer answers an offer (RFC 3264 6). One audio codec is taken, the first of
// our list that the peer has, so that the stream cannot change under a recorder
// or a relay; and telephone-event when both have it. We answer with the peer's
// payload types. Every other m= line is refused with port 0. Errors: ErrNoAudio,
// ErrNoCommonCodec, ErrFamily (answer 488).
func Answer(offer *Session, l Local) ([]byte, Negotiated, error) {
	var n Negotiated
	if offer.Index < 0 {
		return nil, n, ErrNoAudio
	}
	m, index := &offer.Audio, offer.Index
	sdes, dtls, crypto, err := l.protect(m, true)
	for i := 0; err != nil && i < len(offer.More); i++ {
		m, index = &offer.More[i].Media, offer.More[i].Index
		sdes, dtls, crypto, err = l.protect(m, true)
	}
	if err != nil {
		return nil, n, err
	}
	chosen, own, ok := pick(l.Codecs, m.Codecs)
	if !ok {
		return nil, n, ErrNoCommonCodec
	}
	if dtls == nil && !sameFamily(l.Addr, m.Addr) {
		return nil, n, ErrFamily
	}
	n.SDES, n.DTLS, n.ICE = sdes, dtls, m.ICE
	codecs := make([]Codec, 1, 2)
	codecs[0] = chosen
	codecs[0].Fmtp = own.Fmtp // each side says what it wants to receive
	n.Codec, n.RecvPT = chosen, chosen.PayloadType
	if ev, ok := events(l.Codecs, m.Codecs, chosen.ClockRate); ok {
		n.EventSendPT, n.EventRecvPT, n.EventClock = ev.PayloadType, ev.PayloadType, ev.ClockRate
		codecs = append(codecs, ev)
	}
	if l.Comfort && comforted(chosen) && slices.ContainsFunc(m.Codecs, static[13].same) {
		codecs = append(codecs, static[13])
	}
	dir := n.settle(m, l)
	n.RTCPMux, n.XR = m.RTCPMux, m.XR

	when := offer.Time
	if when == "" {
		when = "0 0"
	}
	bundle := ""
	if dtls != nil && slices.Contains(offer.Bundle, m.Mid) {
		bundle = m.Mid
	}
	b := head(l, when, bundle)
	for i, line := range offer.Lines {
		if i == index {
			b = appendXR(stream(b, l, m.Proto, codecs, dir, n.RTCPMux), n.XR)
			switch {
			case dtls != nil && dtls.Client:
				b = appendWeb(b, &l, m.Mid, "active")
			case dtls != nil:
				b = appendWeb(b, &l, m.Mid, "passive")
			case sdes != nil:
				b = appendCrypto(b, crypto)
			}
			continue
		}
		b = append(b, "m="...)
		b = append(b, line.Kind...)
		b = append(b, " 0 "...)
		b = append(b, line.Proto...)
		b = append(b, ' ')
		b = append(b, line.Formats...)
		b = append(b, "\r\n"...)
		if dtls != nil && line.Mid != "" { // browsers look for it in refused ones too
			b = append(b, "a=mid:"...)
			b = append(b, line.Mid...)
			b = append(b, "\r\n"...)
		}
	}
	return b, n, nil
}

// Accept takes the answer to our offer l (RFC 3264 7). We send with the peer's
// payload types and receive with ours. Errors: ErrNoAudio (the stream was
// refused), ErrNoCommonCodec, ErrFamily: end the call, there is no response to an answer.
func Accept(l Local, answer *Session) (Negotiated, error) {
	var n Negotiated
	if answer.Index < 0 {
		return n, ErrNoAudio
	}
	m := &answer.Audio
	var err error
	if n.SDES, n.DTLS, _, err = l.protect(m, false); err != nil {
		return n, err
	}
	if n.DTLS == nil && !sameFamily(l.Addr, m.Addr) {
		return n, ErrFamily
	}
	n.ICE = m.ICE
	n.XR = XR{VoIP: m.XR.VoIP && l.XR.VoIP, RTT: m.XR.RTT && l.XR.RTT}
	found := false
	for _, c := range m.Codecs { // the answerer's order: it knows what it will send
		if c.IsEvent() {
			continue
		}
		if i := slices.IndexFunc(l.Codecs, c.same); i >= 0 {
			n.Codec, n.RecvPT, found = c, l.Codecs[i].PayloadType, true
			break
		}
	}
	if !found {
		return n, ErrNoCommonCodec
	}
	for _, clock := range eventClocks(n.Codec.ClockRate) {
		i := slices.IndexFunc(l.Codecs, func(c Codec) bool { return c.IsEvent() && c.ClockRate == clock })
		if i < 0 || n.EventClock != 0 {
			continue
		}
		our := l.Codecs[i]
		if i := slices.IndexFunc(m.Codecs, our.same); i >= 0 {
			n.EventSendPT, n.EventRecvPT, n.EventClock = m.Codecs[i].PayloadType, our.PayloadType, clock
		} else if slices.Contains(m.Bare, our.PayloadType) {
			// Some gateways answer with our number and no rtpmap.
			n.EventSendPT, n.EventRecvPT, n.EventClock = our.PayloadType, our.PayloadType, clock
		}
	}
	n.settle(m, l)
	if n.DTLS != nil {
		n.RTCPMux = true // we offer nothing else
		return n, nil
	}
	n.RTCPMux = false // we do not offer it, so no answer can grant it
	if m.RTCPMux && n.RemoteRTCP == n.Remote && m.Addr.Port() < 65535 {
		n.RemoteRTCP = nowhere(netip.AddrPortFrom(m.Addr.Addr(), m.Addr.Port()+1))
	}
	return n, nil
}

// comforted tells whether the silence of a codec is described by comfort noise of
// payload type 13: of 8 kHz and without a silence of its own (RFC 3389 4).
func comforted(c Codec) bool { return c.ClockRate == 8000 && (c.Name == "PCMA" || c.Name == "PCMU") }

// settle fills addresses, direction and packet time, and returns our direction.
func (n *Negotiated) settle(m *Media, l Local) Direction {
	if l.Web == nil { // else ICE finds it
		n.Remote, n.RemoteRTCP = nowhere(m.Addr), nowhere(m.RTCP)
	}
	n.Send = l.Direction.sends() && m.Direction.receives() && !m.Held
	n.Recv = l.Direction.receives() && m.Direction.sends()
	n.PtimeMs = 20
	if l.PtimeMs > 0 {
		n.PtimeMs = l.PtimeMs
	}
	if m.PtimeMs > 0 { // what the peer wants to receive, RFC 8866 6.4
		n.PtimeMs = m.PtimeMs
	}
	if m.MaxPtime > 0 {
		n.PtimeMs = min(n.PtimeMs, m.MaxPtime)
	}
	n.PtimeMs = min(max(n.PtimeMs/10*10, 10), 60) // frames of 10 ms, at most 60 in a packet
	return direction(n.Send, n.Recv)
}

func nowhere(a netip.AddrPort) netip.AddrPort {
	if !a.IsValid() || a.Addr().IsUnspecified() || a.Port() == 0 {
		return netip.AddrPort{}
	}
	return a
}

func sameFamily(a, b netip.AddrPort) bool {
	if b.Addr().IsUnspecified() {
		return true
	}
	return a.Addr().Unmap().Is4() == b.Addr().Is4()
}

// pick returns the peer's entry for the first of our audio codecs it has, and ours.
func pick(ours, theirs []Codec) (their, our Codec, ok bool) {
	for _, c := range ours {
		if c.IsEvent() {
			continue
		}
		if i := slices.IndexFunc(theirs, c.same); i >= 0 {
			return theirs[i], c, true
		}
	}
	return Codec{}, Codec{}, false
}

// eventClocks is at which clocks telephone-events may go with a codec of clock hz:
// its own (RFC 4733 2.1 wants the timestamps of one stream in one unit), or 8 kHz,
// which phones with Opus offer alone (baresip, Linphone); then the duration counts
// at 8 kHz, and the timestamps, which only tell one event from the next, as the
// stream's do.
func eventClocks(hz int) []int {
	if hz == 8000 {
		return []int{8000}
	}
	return []int{hz, 8000}
}

// events returns the peer's telephone-event at the codec's clock (RFC 4733
// 2.5.1.2), with the keys we speak.
func events(ours, theirs []Codec, clock int) (Codec, bool) {
	for _, hz := range eventClocks(clock) {
		for _, c := range ours {
			if !c.IsEvent() || c.ClockRate != hz {
				continue
			}
			if i := slices.IndexFunc(theirs, c.same); i >= 0 {
				ev := theirs[i]
				ev.Fmtp = c.Fmtp
				return ev, true
			}
		}
	}
	return Codec{}, false
}

// head writes the session level; bundle is the one stream's mid, "" none.
func head(l Local, when, bundle string) []byte {
	b := make([]byte, 0, 320)
	b = append(b, "v=0\r\no=- "...)
	b = strconv.AppendUint(b, l.SessionID, 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, l.Version, 10)
	b = append(b, ' ')
	b = network(b, l.Addr.Addr())
	b = append(b, "\r\ns=-\r\nc="...)
	b = network(b, l.Addr.Addr())
	b = append(b, "\r\nt="...)
	b = append(b, when...)
	b = append(b, "\r\n"...)
	if l.Web == nil {
		return b
	}
	b = append(b, "a=ice-lite\r\n"...)
	if bundle != "" {
		b = append(b, "a=group:BUNDLE "...)
		b = append(b, bundle...)
		b = append(b, "\r\n"...)
	}
	return b
}

func network(b []byte, a netip.Addr) []byte {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.AppendTo(append(b, "IN IP4 "...))
	}
	return a.AppendTo(append(b, "IN IP6 "...))
}

// stream writes the audio stream.
func stream(b []byte, l Local, proto string, codecs []Codec, dir Direction, mux bool) []byte {
	b = append(b, "m=audio "...)
	b = strconv.AppendUint(b, uint64(l.Addr.Port()), 10)
	b = append(b, ' ')
	b = append(b, proto...)
	for _, c := range codecs {
		b = append(b, ' ')
		b = strconv.AppendUint(b, uint64(c.PayloadType), 10)
	}
	b = append(b, "\r\n"...)
	for _, c := range codecs {
		b = append(b, "a=rtpmap:"...)
		b = strconv.AppendUint(b, uint64(c.PayloadType), 10)
		b = append(b, ' ')
		b = append(b, c.Name...)
		b = append(b, '/')
		b = strconv.AppendInt(b, int64(c.ClockRate), 10)
		if c.Channels > 1 {
			b = append(b, '/')
			b = strconv.AppendInt(b, int64(c.Channels), 10)
		}
		b = append(b, "\r\n"...)
		if c.Fmtp != "" && !strings.ContainsAny(c.Fmtp, "\r\n") {
			b = append(b, "a=fmtp:"...)
			b = strconv.AppendUint(b, uint64(c.PayloadType), 10)
			b = append(b, ' ')
			b = append(b, c.Fmtp...)
			b = append(b, "\r\n"...)
		}
	}
	ptime := l.PtimeMs
	if ptime <= 0 {
		ptime = 20
	}
	b = append(b, "a=ptime:"...)
	b = strconv.AppendInt(b, int64(ptime), 10)
	b = append(b, "\r\na="...)
	b = append(b, dir.String()...)
	b = append(b, "\r\n"...)
	if mux {
		b = append(b, "a=rtcp-mux\r\n"...)
	}
	return b
}

// Revise gives next, a description of ours, the o= version that follows prev, our
// last one in this dialog: the same when nothing else changed, one more when
// something did (RFC 3264 8). Without prev, next is returned as it is.
func Revise(prev, next []byte) []byte {
	p0, p1, ok := versionAt(prev)
	n0, n1, ok2 := versionAt(next)
	if !ok || !ok2 {
		return next
	}
	v, err := strconv.ParseUint(string(prev[p0:p1]), 10, 64)
	if err != nil {
		return next
	}
	if !bytes.Equal(prev[:p0], next[:n0]) || !bytes.Equal(prev[p1:], next[n1:]) {
		v++
	}
	out := make([]byte, 0, len(next)+1)
	out = append(out, next[:n0]...)
	out = strconv.AppendUint(out, v, 10)
	return append(out, next[n1:]...)
}

// versionAt finds the version in the o= line of a description that we wrote.
func versionAt(b []byte) (from, to int, ok bool) {
	i := bytes.Index(b, []byte("\r\no="))
	if i < 0 {
		return 0, 0, false
	}
	from = i + 4
	for range 2 {
		sp := bytes.IndexByte(b[from:], ' ')
		if sp < 0 {
			return 0, 0, false
		}
		from += sp + 1
	}
	sp := bytes.IndexByte(b[from:], ' ')
	return from, from + sp, sp > 0
}
