package call

import (
	"slices"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/pkg/sdp"
)

// Payload types that we offer telephone-event with: 101 is the one that most phones
// use themselves, the other goes with Opus (RFC 4733 leaves both dynamic).
const (
	telephoneEventPT     = 101
	telephoneEventWidePT = 110
)

var sdpCodecs = map[codec.ID]sdp.Codec{codec.PCMA: sdp.CodecPCMA, codec.PCMU: sdp.CodecPCMU, codec.G722: sdp.CodecG722, codec.Opus: sdp.CodecOpus}

// DefaultCodecs is Deps.Codecs when that is nil: telephone sound first, which
// every line has and which costs nothing.
var DefaultCodecs = []codec.ID{codec.PCMA, codec.PCMU, codec.G722, codec.Opus}

// CodecIDs reads names as a configuration has them; unknown ones are left out.
func CodecIDs(names []string) (ids []codec.ID) {
	for _, n := range names {
		if id, ok := codec.ByName(n); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// allowed is what may be spoken on a leg, best first: its device's or trunk's list,
// else the node's.
func (o *owner) allowed(l *legHandle) []codec.ID {
	if ids := CodecIDs(l.policy); len(ids) > 0 {
		return ids
	}
	if len(o.mgr.deps.Codecs) > 0 {
		return o.mgr.deps.Codecs
	}
	return DefaultCodecs
}

// accepts lists what we take on a leg: first what is wanted, so that nothing has to
// be transcoded, then all that is allowed.
func (o *owner) accepts(l *legHandle, wanted ...codec.ID) []sdp.Codec {
	allowed := o.allowed(l)
	return l.formats(pickAllowed(allowed, slices.Concat(wanted, allowed)))
}

// offers lists what we offer on a leg: what is wanted, which the other side of the
// call can speak, then the leg's own list; without one, G.711 as far as allowed,
// which anything can be transcoded to at little cost.
func (o *owner) offers(l *legHandle, wanted ...codec.ID) []sdp.Codec {
	allowed := o.allowed(l)
	more := allowed
	if len(l.policy) == 0 && len(wanted) > 0 {
		more = slices.DeleteFunc(slices.Clone(allowed), func(id codec.ID) bool { return !id.Valid() })
	}
	ids := pickAllowed(allowed, slices.Concat(wanted, more))
	if len(ids) == 0 {
		ids = allowed
	}
	return l.formats(ids)
}

// pickAllowed is ids without what is not allowed and without repetition.
func pickAllowed(allowed, ids []codec.ID) (out []codec.ID) {
	for _, id := range ids {
		if slices.Contains(allowed, id) && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// formats is ids as SDP has them, with telephone-event at their clocks if keys may come
// so.
func (l *legHandle) formats(ids []codec.ID) (out []sdp.Codec) {
	for _, id := range ids {
		out = append(out, sdpCodecs[id])
	}
	if l.keys == KeysInBand {
		return out
	}
	out = append(out, sdp.TelephoneEvent(telephoneEventPT))
	if slices.Contains(ids, codec.Opus) {
		out = append(out, sdp.TelephoneEventAt(telephoneEventWidePT, 48000))
	}
	return out
}

func lawOf(c sdp.Codec) codec.ID {
	id, _ := codec.ByName(c.Name)
	return id
}

// lawsOf lists the codecs of an SDP that we know, in its order of preference.
func lawsOf(s *sdp.Session) (ids []codec.ID) {
	if s == nil {
		return nil
	}
	for _, c := range s.Audio.Codecs {
		if id, ok := codec.ByName(c.Name); ok && c.ClockRate == sdpCodecs[id].ClockRate && c.Channels == sdpCodecs[id].Channels {
			ids = append(ids, id)
		}
	}
	return ids
}

// knows remembers what a leg's peer has said it can speak: an offer says all of it,
// an answer some.
func (l *legHandle) knows(s *sdp.Session, offer bool) {
	ids := lawsOf(s)
	if !offer {
		ids = pickAllowed(slices.Concat(ids, l.theirs), slices.Concat(ids, l.theirs))
	}
	l.theirs = ids
}

// wanted is what the legs that a new one is for can speak, the codec of the
// conversation first.
func (l *legHandle) wanted() []codec.ID {
	if l.agreed {
		return append([]codec.ID{l.law}, l.theirs...)
	}
	return lawsOf(l.offer)
}

// coding is how we encode for a peer, by what it says of its decoder (RFC 7587 6.1).
func coding(c sdp.Codec) session.Coding {
	if lawOf(c) != codec.Opus {
		return session.Coding{}
	}
	o := session.Coding{FEC: c.Param("useinbandfec", 0) == 1, DTX: c.Param("usedtx", 0) == 1}
	if most := c.Param("maxaveragebitrate", 0); most > 0 {
		o.Bitrate = min(most, 32000)
	}
	if o.FEC {
		o.Loss = 5 // of a hundred: else the encoder makes no copies
	}
	return o
}

// unify leads two legs that hear each other to one codec, so that their packets pass
// through: by a re-INVITE of the one that can take the other's, of both when they
// share only a third. Legs without a codec in common are transcoded.
func (o *owner) unify(i, j int) {
	a, b := o.leg(i), o.leg(j)
	if a == nil || b == nil || a == b || a.gone || b.gone || !a.agreed || !b.agreed || a.law == b.law {
		return
	}
	if a.law.Valid() && b.law.Valid() {
		return // the two laws of G.711: a table is cheaper than asking a phone
	}
	best, found := codec.ID(0), false
	for pass := 0; pass < 2 && !found; pass++ {
		for _, f := range codec.Formats { // best sound first
			one := f.ID == a.law || f.ID == b.law
			if (one || pass == 1) && o.speaks(a, f.ID) && o.speaks(b, f.ID) {
				best, found = f.ID, true
				break
			}
		}
	}
	if !found {
		return
	}
	for _, l := range []*legHandle{a, b} {
		o.steer(l, best)
	}
}

// speaks tells whether id is allowed on a leg and its peer has named it.
func (o *owner) speaks(l *legHandle, id codec.ID) bool {
	return l.law == id || slices.Contains(o.allowed(l), id) && slices.Contains(l.theirs, id)
}

// steer asks a leg's peer to go over to id, once.
func (o *owner) steer(l *legHandle, id codec.ID) {
	if l.law == id || l.steered[id] || l.dialog == nil || l.media == nil {
		return
	}
	if l.steered == nil {
		l.steered = map[codec.ID]bool{}
	}
	l.steered[id] = true
	o.log.Debug("codec of a leg is led over", zap.Int("leg", l.index), zap.Stringer("from", l.law), zap.Stringer("to", id))
	l.local.Codecs = l.formats([]codec.ID{id})
	l.said = sdp.Revise(l.said, sdp.Offer(l.local))
	l.dialog.Reoffer(l.said)
}
