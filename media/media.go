// Package media holds the words that every room of media shares: the clock, the
// frame and the payload sizes of narrow-band telephony. It does no I/O, holds no
// state and starts no goroutine. The rooms: rtp (packets, statistics), dtmf
// (telephone-events and tones), codec (G.711, G.722, Opus), resample (rates), play
// (clips), record (files), port (sockets and the loops that serve them), session
// (legs of calls).
package media

import "time"

const (
	// ClockRate is the RTP clock of G.711 and of our telephone-events, in Hz
	// (RFC 3551 6, RFC 4733 2.5.1.1).
	ClockRate = 8000
	// FrameDuration is what one packet made by us carries (RFC 3551 4.2:
	// the default packet time is 20 ms).
	FrameDuration = 20 * time.Millisecond
	// FrameSamples is FrameDuration in samples; with G.711 also in bytes.
	FrameSamples = 160
	// MaxPacket is the largest RTP or RTCP packet taken from a peer, in bytes.
	// An Ethernet frame carries 1,472; anything larger is dropped and counted.
	MaxPacket = 1500
)

// Samples tells how many ticks of the 8 kHz clock d is, rounded down.
func Samples(d time.Duration) int64 { return int64(d) * (ClockRate / 1000) / int64(time.Millisecond) }

// Duration is the time that n ticks of the 8 kHz clock take.
func Duration(n int64) time.Duration { return time.Duration(n) * (time.Second / ClockRate) }
