package session

import (
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/secure"
	"github.com/centrala/centrala/pkg/event"

	"github.com/prometheus/client_golang/prometheus"
)

// Config is what an Engine needs at birth. Zero values take the default named.
type Config struct {
	// BindIP is the local address of all RTP and RTCP sockets; default 0.0.0.0.
	BindIP netip.Addr
	// AdvertisedIP is written into SDP; default BindIP. Required when BindIP is
	// unspecified, for a peer cannot send to 0.0.0.0.
	AdvertisedIP netip.Addr
	// PortMin and PortMax bound the UDP ports, both inclusive. A leg takes an
	// even port for RTP and the next odd one for RTCP (RFC 3550 11).
	// Default 20000-29999.
	PortMin, PortMax uint16
	// PortRest is how long a pair of ports rests after a call before another
	// may have it; default port.Quarantine.
	PortRest time.Duration
	// Workers is the number of loops; default half of GOMAXPROCS, at least 1.
	Workers int
	// IO is how packets are moved; default IOEpoll.
	IO IO
	// RTPTimeout is the silence after which TimedOut is told; default 30 s,
	// negative = never.
	RTPTimeout time.Duration
	// HoldTimeout takes the place of RTPTimeout while a leg may not send but may
	// receive (the peer has put us on hold); default 0 = never.
	HoldTimeout time.Duration
	// Web is the port of browsers; nil = none.
	Web *WebConfig
	// Log defaults to none. Registerer nil = metrics are not exported.
	Log        *zap.Logger
	Registerer prometheus.Registerer
}

// WebConfig is the port that all browsers share (ICE-lite, DTLS-SRTP).
type WebConfig struct {
	// Addr is bound by UDP; port 0 takes a free one.
	Addr netip.AddrPort
	// TCP serves the same port by TCP too (RFC 6544), for networks that let no UDP
	// through.
	TCP bool
}

// LegOptions are the fixed properties of a leg.
type LegOptions struct {
	// Group keeps legs together: legs of the same group live on the same worker
	// and only those can be bridged.
	Group uint64
	// Web makes a browser's leg, without ports of its own: its Remote is found by
	// ICE, its keys come by DTLS, RTCP shares the port. Config.Web must be set.
	Web bool
	// Sink is told what happens, in order, one thing at a time, on the worker or
	// within the call of a method of any Leg. It must not block nor take a lock that
	// is held while such methods are called; it may call them. Nil = nobody listens.
	Sink func(Event)
}

// Params is what was negotiated for a leg. It may be applied any time again.
type Params struct {
	// Remote is where the peer wants RTP, and the address its RTP must come
	// from. Invalid or unspecified (c=0.0.0.0) = nothing is sent.
	Remote netip.AddrPort
	// RemoteRTCP is where the peer wants RTCP; invalid = Remote's port + 1.
	RemoteRTCP netip.AddrPort
	// RTCPMux puts RTCP on the RTP port both ways (RFC 5761).
	RTCPMux bool
	// Law is the codec of SendPT and RecvPT: any that package codec knows.
	Law codec.ID
	// Coding is how we encode for the peer, where the codec leaves a choice.
	Coding Coding
	// SendPT and RecvPT are the payload types of Law as the peer wants to
	// receive it and as it is sent to us.
	SendPT, RecvPT uint8
	// EventSendPT and EventRecvPT are telephone-event's; 0 = not negotiated
	// (digits then go in-band).
	EventSendPT, EventRecvPT uint8
	// InBand: the peer may press keys as tones in its sound (ITU-T Q.23). They are looked
	// for while the leg is neither bridged, echoed nor in a conference.
	InBand bool
	// EventClock is telephone-event's clock in Hz; 0 = 8000.
	EventClock int
	// Send and Recv are what we may do. Nothing is sent while Send is false;
	// what comes while Recv is false is dropped.
	Send, Recv bool
	// PtimeMs is the peer's wish. We send frames of 20 ms in any case, which
	// every peer must take (RFC 3551 4.2); relayed packets keep their size.
	PtimeMs int
	// XRVoIP and XRTime: the peer asked for extended reports (RFC 3611): the VoIP
	// metrics block, and round trips without sender reports.
	XRVoIP, XRTime bool
	// Symmetric allows a device behind NAT: the first packet, from whatever
	// address, decides where the peer is, once, unless the signalled address
	// spoke before. Without it only the port may differ from what was signalled,
	// and only when the signalled one stays silent in the first half second.
	Symmetric bool
	// SRTP are the keys that SDES agreed on; nil = plain RTP. The same keys again
	// change nothing; new ones begin anew in the direction that they are for.
	SRTP *secure.Keys
	// Web is what a browser's SDP told; nil until there is one. For legs opened with
	// LegOptions.Web, which take Remote, RTCPMux and SRTP from elsewhere.
	Web *Web
}

// Coding is Params.Coding.
type Coding = codec.Options

// Play is a sequence of clips for a leg.
type Play struct {
	// ID comes back in PlayDone.
	ID uint64
	// Clips are heard one after another without gap. One that comes while it is
	// heard (play.Live) is heard from its present on, for ever; it is left out unless
	// Loop is set, and with one among them Offset is not looked at.
	Clips []*play.Clip
	// Loop starts again from the first clip; PlayDone never comes.
	Loop bool
	// Offset skips the beginning; with Loop it is taken modulo the length.
	Offset time.Duration
}

// Event is the closed set of what a leg tells its Sink.
type Event interface{ event() }

// Digit is one key the peer pressed, told when it was let go.
type Digit struct {
	Digit    byte // 0-9, *, #, A-D
	Duration time.Duration
	InBand   bool // heard as a tone (Params.InBand); else by RFC 4733
}

// PlayDone: the last frame of Play ID was sent. It does not come for a Play that
// was replaced or stopped.
type PlayDone struct{ ID uint64 }

// FirstPacket: the peer's RTP reached us for the first time in the leg's life.
type FirstPacket struct{}

// TimedOut: no RTP came for Silence although it should. It is told once and
// again only after packets have come.
type TimedOut struct{ Silence time.Duration }

// NoSound: the leg sends nothing although it should; Silence is for how long. It is
// told once, and SoundBack follows.
type NoSound struct {
	Alarm   Alarm
	Silence time.Duration
}

// SoundBack ends a NoSound: packets come again, the alarm became another, or
// nothing is expected any more (hold, music, the end). Lasted counts from the last packet.
type SoundBack struct {
	Alarm  Alarm
	Lasted time.Duration
}

// Quiet: nothing came from a browser. Sound is since its last packet of sound,
// Checks since its last check of ICE on the path in use, which browsers send every 2
// to 6 seconds. It is told a second after the last of any, and once a second from then
// on; Heard ends it. A browser that was never heard is not told of.
type Quiet struct{ Sound, Checks time.Duration }

// Heard: a browser that was Quiet is there again.
type Heard struct{}

func (Quiet) event()       {}
func (Heard) event()       {}
func (Digit) event()       {}
func (PlayDone) event()    {}
func (FirstPacket) event() {}
func (TimedOut) event()    {}
func (NoSound) event()     {}
func (SoundBack) event()   {}

// Stats is what a leg measured over its life.
type Stats struct {
	event.Audio
	Law codec.Law
}
