// Package trunk holds what keeps a line to a carrier alive, as pure machines:
// Registration (REGISTER towards a carrier, RFC 3261 10.2) and Health (OPTIONS,
// RFC 3261 11). They know no socket, no address and no clock: pkg/sip sends what
// they ask for, tries the addresses of a name one after the other, and tells
// them the outcome. Randomness (jitter, client nonces) is passed in.
package trunk

import (
	"time"

	"github.com/centrala/centrala/pkg/sip/digest"
)

// Event is what Step takes: a closed set.
type Event interface{ event() }

type (
	// Begin starts the machine.
	Begin struct{}
	// Answer is the final answer to the request CSeq.
	Answer struct {
		CSeq   uint32
		Code   int
		Reason string // phrase, for people
		// Expires is what the registrar granted our contact (2xx to REGISTER);
		// negative when it did not name our contact at all.
		Expires time.Duration
		// MinExpires is of a 423, RetryAfter of any answer; 0 = not said.
		MinExpires, RetryAfter time.Duration
		// Challenges and ProxyChallenges are the values of WWW-Authenticate and
		// Proxy-Authenticate of a 401 or 407.
		Challenges, ProxyChallenges []string
		// RTT is from sending to the answer.
		RTT time.Duration
	}
	// Lost: no address of the far side gave a final answer to CSeq.
	Lost struct {
		CSeq   uint32
		Reason string
	}
	// TimerFired is the end of SetTimer.
	TimerFired struct{}
	// Close ends the machine: a registration is taken back. Closed follows.
	Close struct{}
)

func (Begin) event()      {}
func (Answer) event()     {}
func (Lost) event()       {}
func (TimerFired) event() {}
func (Close) event()      {}

// Effect is what Step asks for, in order: a closed set.
type Effect interface{ effect() }

type (
	// Send sends a request: REGISTER for a Registration, OPTIONS for a Health.
	// Answer or Lost with the same CSeq follows; one request is open at a time.
	Send struct {
		CSeq    uint32
		Expires time.Duration  // REGISTER: whole seconds; 0 takes the registration back
		Auth    []digest.Field // headers that answer the challenges; nil = none
	}
	// SetTimer sets the machine's one timer, replacing a running one.
	SetTimer struct{ After time.Duration }
	// StopTimer stops it.
	StopTimer struct{}
	// Changed: the line became good or bad. Reason says why it is bad and what to
	// look at; Code is the SIP status behind it, 0 none.
	Changed struct {
		Good   bool
		Code   int
		Reason string
	}
	// Failed: a request failed, whether or not that changed anything.
	Failed struct {
		Code   int
		Reason string
		Next   time.Duration // until the next try
	}
	// Closed: nothing follows.
	Closed struct{}
)

func (Send) effect()      {}
func (SetTimer) effect()  {}
func (StopTimer) effect() {}
func (Changed) effect()   {}
func (Failed) effect()    {}
func (Closed) effect()    {}

// Backoff is the wait before try number failures+1, failures >= 1, by RFC 5626
// 4.5: W = min(most, base * 2^failures), and of that between 50 and 100 % by
// random, so that the lines of a thousand houses do not come back in one wave.
func Backoff(base, most time.Duration, failures int, random uint64) time.Duration {
	w := most
	if failures < 32 { // beyond, 2^n overflows and the bound holds anyway
		if d := base << failures; d > 0 && d>>failures == base && d < most {
			w = d
		}
	}
	return w/2 + scale(w/2, random)
}

// scale is d * random / 2^64, in steps of a millionth.
func scale(d time.Duration, random uint64) time.Duration {
	return time.Duration(float64(d) * (float64(random>>11) / (1 << 53)))
}
