package call

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/pkg/sdp"
)

func names(list []sdp.Codec) string {
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprintf("%s/%d", c.Name, c.ClockRate/1000))
	}
	return strings.Join(out, " ")
}

// TestWhatIsOfferedAndTaken: the other side's codecs first, a device's own list
// before the node's, and no codec that is not allowed.
func TestWhatIsOfferedAndTaken(t *testing.T) {
	const a, u, g, o = codec.PCMA, codec.PCMU, codec.G722, codec.Opus
	const ev, evWide = " telephone-event/8", " telephone-event/8 telephone-event/48"
	for _, tt := range []struct {
		name           string
		node           []codec.ID
		policy         []string
		wanted         []codec.ID
		offers, accept string
	}{
		{"a line of G.711: nothing else is offered", nil, nil, []codec.ID{u, a}, "PCMU/8 PCMA/8" + ev, "PCMU/8 PCMA/8 G722/8 opus/48" + evWide},
		{"a browser: its codecs, and G.711 for the rest", nil, nil, []codec.ID{o, g, u}, "opus/48 G722/8 PCMU/8 PCMA/8" + evWide, "opus/48 G722/8 PCMU/8 PCMA/8" + evWide},
		{"no offer yet: all that the node has", nil, nil, nil, "PCMA/8 PCMU/8 G722/8 opus/48" + evWide, "PCMA/8 PCMU/8 G722/8 opus/48" + evWide},
		{"the node has G.711 alone", []codec.ID{a, u}, nil, []codec.ID{o, u}, "PCMU/8 PCMA/8" + ev, "PCMU/8 PCMA/8" + ev},
		{"the node has Opus alone", []codec.ID{o}, nil, []codec.ID{a}, "opus/48" + evWide, "opus/48" + evWide},
		{"a device's list is offered whole, behind what is wanted", nil, []string{"opus", "pcma"}, []codec.ID{a}, "PCMA/8 opus/48" + evWide, "PCMA/8 opus/48" + evWide},
		{"and beats the node's", []codec.ID{a, u}, []string{"g722"}, []codec.ID{a}, "G722/8" + ev, "G722/8" + ev},
	} {
		own := &owner{mgr: &Manager{deps: Deps{Codecs: tt.node}}}
		l := &legHandle{policy: tt.policy}
		if got := names(own.offers(l, tt.wanted...)); got != tt.offers {
			t.Errorf("%s: offered %s, want %s", tt.name, got, tt.offers)
		}
		if got := names(own.accepts(l, tt.wanted...)); got != tt.accept {
			t.Errorf("%s: taken %s, want %s", tt.name, got, tt.accept)
		}
	}
}

// TestNoEventsInBand: who presses keys as tones is offered no telephone-event; each
// way takes keys of its own, and auto those of all.
func TestNoEventsInBand(t *testing.T) {
	own := &owner{mgr: &Manager{}}
	l := &legHandle{keys: KeysInBand}
	if got := names(own.offers(l, codec.Opus, codec.PCMA)); got != "opus/48 PCMA/8 PCMU/8" {
		t.Error(got)
	}
	ways := []KeyWay{KeysRFC4733, KeysInfo, KeysInBand}
	for _, way := range append(ways, KeysAuto) {
		for _, via := range ways {
			if got := way.takes(via); got != (way == via || way == KeysAuto) {
				t.Errorf("%q takes %q: %v", way, via, got)
			}
		}
		for _, pt := range []uint8{0, 101} {
			if got := way.listens(&sdp.Negotiated{EventRecvPT: pt}); got != (way == KeysInBand || way == KeysAuto && pt == 0) {
				t.Errorf("%q with event type %d: listens %v", way, pt, got)
			}
		}
	}
}

// TestWhatAPeerKnows: an offer says all, an answer adds to it.
func TestWhatAPeerKnows(t *testing.T) {
	parse := func(lines string) *sdp.Session {
		s, err := sdp.Parse([]byte("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" + lines))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	l := &legHandle{}
	l.knows(parse("m=audio 4000 RTP/AVP 96 9 18 0 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 opus/16000\r\n"), true)
	if want := []codec.ID{codec.Opus, codec.G722, codec.PCMU}; !slices.Equal(l.theirs, want) {
		t.Errorf("offer: %v", l.theirs)
	}
	l.knows(parse("m=audio 4000 RTP/AVP 8\r\n"), false)
	if want := []codec.ID{codec.PCMA, codec.Opus, codec.G722, codec.PCMU}; !slices.Equal(l.theirs, want) {
		t.Errorf("answer: %v", l.theirs)
	}
	own := &owner{mgr: &Manager{deps: Deps{Codecs: []codec.ID{codec.PCMA, codec.PCMU}}}}
	l.law = codec.PCMA
	if own.speaks(l, codec.Opus) || !own.speaks(l, codec.PCMU) {
		t.Error("what the node does not allow is spoken")
	}
}

// TestCodingFollowsThePeer: what it says of its decoder is obeyed, within bounds.
func TestCodingFollowsThePeer(t *testing.T) {
	for _, tt := range []struct {
		fmtp string
		want session.Coding
	}{
		{"", session.Coding{}},
		{"useinbandfec=1;usedtx=1", session.Coding{FEC: true, DTX: true, Loss: 5}},
		{"maxaveragebitrate=16000", session.Coding{Bitrate: 16000}},
		{"maxaveragebitrate=510000; stereo=1", session.Coding{Bitrate: 32000}},
		{"maxaveragebitrate=-1;useinbandfec=yes", session.Coding{}},
	} {
		c := sdp.CodecOpus
		c.Fmtp = tt.fmtp
		if got := coding(c); got != tt.want {
			t.Errorf("%q: %+v", tt.fmtp, got)
		}
	}
	c := sdp.CodecPCMA
	c.Fmtp = "useinbandfec=1"
	if coding(c) != (session.Coding{}) {
		t.Error("G.711 has no choices")
	}
}
