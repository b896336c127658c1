// Package dtmf is the pure part of keys pressed in a call: telephone-events in
// and out (RFC 4733) and the two-tone signals for peers that take none. It does
// no I/O, takes time as an argument and starts no goroutine; a value has one
// owner.
package dtmf

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/centrala/centrala/media"
)

// EventSize is one telephone-event in bytes (RFC 4733 2.3).
const EventSize = 4

// ErrShort: fewer than EventSize bytes.
var ErrShort = errors.New("dtmf: telephone-event too short")

// Event is the payload of a telephone-event packet.
type Event struct {
	Code     uint8  // 0-15 are the keys; others are not ours
	End      bool   // the event is over
	Volume   uint8  // 0-63, power in -dBm0
	Duration uint16 // so far, in ticks of the events' clock
}

// ParseEvent reads b. Bytes after the first event are ignored: a second block
// may only stand there inside RFC 2198, which we do not negotiate.
func ParseEvent(b []byte) (Event, error) {
	if len(b) < EventSize {
		return Event{}, ErrShort
	}
	return Event{b[0], b[1]&0x80 != 0, b[1] & 0x3F, binary.BigEndian.Uint16(b[2:])}, nil
}

// PutEvent writes e into b, which must hold EventSize bytes.
func PutEvent(b []byte, e Event) {
	_ = b[EventSize-1]
	b[0], b[1] = e.Code, e.Volume&0x3F
	if e.End {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], e.Duration)
}

const keys = "0123456789*#ABCD" // RFC 4733 3.2, table 3

// Key is the character of an event code; ok is false for codes that are no key.
func Key(code uint8) (key byte, ok bool) {
	if int(code) >= len(keys) {
		return 0, false
	}
	return keys[code], true
}

// Code is the event code of a key; lower-case letters are taken too.
func Code(key byte) (code uint8, ok bool) {
	switch {
	case key >= '0' && key <= '9':
		return key - '0', true
	case key == '*':
		return 10, true
	case key == '#':
		return 11, true
	case key >= 'A' && key <= 'D':
		return key - 'A' + 12, true
	case key >= 'a' && key <= 'd':
		return key - 'a' + 12, true
	}
	return 0, false
}

// Press is one key that was pressed and let go.
type Press struct {
	Key      byte
	Duration time.Duration
}

const (
	// lostEnd: senders update every 20-50 ms (RFC 4733 2.5.1.2); four updates
	// missing means that the end was lost.
	lostEnd = 200 * time.Millisecond
	// stale: a timestamp up to this many seconds older than the newest event's is a
	// late copy; one older still is a sender that restarted its clock.
	stale      = 10
	maxSegment = 0xFFFF
)

// Receiver turns telephone-event packets into presses: copies of the end packet
// count once, a lost end is made up by the next event or by time.
type Receiver struct {
	active bool
	seen   bool // ts is an event that was heard
	code   uint8
	ts     uint32 // of the event, or of its newest segment
	dur    uint16 // of the newest segment
	before uint64 // ticks of earlier segments
	at     time.Time
	rate   int // ticks a second; 0 = media.ClockRate
}

// SetClock tells the rate of the events' clock, in Hz (RFC 4733 2.1).
func (r *Receiver) SetClock(hz int) { r.rate = hz }

func (r *Receiver) clock() int {
	if r.rate == 0 {
		return media.ClockRate
	}
	return r.rate
}

// Active tells whether a key is down; code is its event code.
func (r *Receiver) Active() (code uint8, active bool) { return r.code, r.active }

// Take reads one packet with RTP timestamp ts. It returns what ended by it: none,
// this event, or the one before whose end was lost, or both in order. fresh is
// true when the packet began an event.
func (r *Receiver) Take(now time.Time, ts uint32, marker bool, e Event) (ended [2]Press, n int, fresh bool) {
	switch age := int32(ts - r.ts); {
	case r.seen && age == 0:
		if !r.active || e.Code != r.code {
			return ended, 0, false // a copy of the end, or nonsense
		}
	case r.seen && age < 0 && int(age) > -stale*r.clock():
		return ended, 0, false // late copy of an earlier event
	case r.active && e.Code == r.code && !marker && r.dur == maxSegment && age == maxSegment:
		// RFC 4733 2.5.1.3: a long press goes on in a new segment.
		r.before += maxSegment
		r.ts, r.dur = ts, 0
	default:
		if p, ok := r.finish(); ok {
			ended[n] = p
			n++
		}
		r.active, r.seen, fresh = true, true, true
		r.code, r.ts, r.dur, r.before = e.Code, ts, 0, 0
	}
	r.at = now
	r.dur = max(r.dur, e.Duration) // reordered updates do not shorten
	if e.End {
		if p, ok := r.finish(); ok {
			ended[n] = p
			n++
		}
	}
	return ended, n, fresh
}

// Lasted is how long the event of the newest packet, e, has lasted.
func (r *Receiver) Lasted(e Event) time.Duration {
	return time.Duration(r.before+uint64(max(r.dur, e.Duration))) * time.Second / time.Duration(r.clock())
}

// Expire ends an event whose updates stopped.
func (r *Receiver) Expire(now time.Time) (Press, bool) {
	if !r.active || now.Sub(r.at) < lostEnd {
		return Press{}, false
	}
	return r.finish()
}

// Reset is for a new sender, whose timestamps have nothing to do with the old:
// an event that was under way is over.
func (r *Receiver) Reset() (Press, bool) {
	p, ok := r.finish()
	*r = Receiver{rate: r.rate}
	return p, ok
}

func (r *Receiver) finish() (Press, bool) {
	if !r.active {
		return Press{}, false
	}
	r.active = false
	key, ok := Key(r.code)
	return Press{key, time.Duration(r.before+uint64(r.dur)) * time.Second / time.Duration(r.clock())}, ok
}
