package session

import (
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/secure"
)

// guard protects a leg's sound by SRTP. A leg without one is plain RTP; a leg with
// one that has no keys yet is silent both ways, never plain. Worker only.
type guard struct {
	srtp   *secure.Session // nil: no keys yet
	forged uint64          // packets that failed authentication or came twice
}

// keyed tells whether what the leg sends can be sent as it must.
func (l *Leg) keyed() bool { return l.guard == nil || l.guard.srtp != nil }

// setKeys takes the keys of the signalling. Nil takes the protection off, but not
// from a browser's leg, whose keys come by DTLS.
func (l *Leg) setKeys(now time.Time, k *secure.Keys) {
	switch {
	case k != nil:
		l.renewKeys(now, *k)
	case l.web == nil:
		l.guard = nil
	}
}

func (l *Leg) renewKeys(now time.Time, k secure.Keys) {
	if l.guard == nil {
		l.guard = &guard{}
	}
	var err error
	if l.guard.srtp == nil {
		l.guard.srtp, err = secure.NewSession(k)
	} else {
		err = l.guard.srtp.Renew(k, now)
	}
	if err != nil {
		l.guard.srtp = nil // silent rather than under a key that nobody has
		l.e.log.Error("media leg is silent: keys do not fit", zap.Stringer("leg", l.addr), zap.Error(err))
	}
}

// unprotect is an RTP packet's plain form in a buffer of the worker's, nil when it was
// dropped and counted.
func (l *Leg) unprotect(b []byte, now time.Time) []byte {
	if l.guard.srtp == nil || !shaped(b) {
		l.w.count.invalid++
		return nil
	}
	out, err := l.guard.srtp.Unprotect(l.w.plain[:0], b, now)
	if err != nil {
		l.refuse(err)
		return nil
	}
	if l.web != nil {
		l.web.heard = now
		if !l.guard.srtp.Late() {
			l.web.proved()
		}
	}
	return out
}

// shaped tells what may be RTP or RTCP from what phones send besides: STUN to keep
// a way through NAT open is no forgery.
func shaped(b []byte) bool { return len(b) > 0 && len(b) <= media.MaxPacket && b[0]>>6 == 2 }

// unprotectRTCP is the same for RTCP.
func (l *Leg) unprotectRTCP(b []byte, now time.Time) []byte {
	if l.guard.srtp == nil || !shaped(b) {
		l.w.count.invalid++
		return nil
	}
	out, err := l.guard.srtp.UnprotectRTCP(l.w.plain[:0], b, now)
	if err != nil {
		l.refuse(err)
		return nil
	}
	return out
}

func (l *Leg) refuse(err error) {
	l.guard.forged++
	if err == secure.ErrReplay {
		l.w.count.replayed++
		return
	}
	l.w.count.forged++
}

// protect is what goes on the wire for an RTP packet, nil for nothing.
func (l *Leg) protect(packet []byte) []byte {
	if l.guard.srtp == nil {
		return nil
	}
	out, err := l.guard.srtp.Protect(l.w.sealed[:0], packet)
	if err != nil {
		l.w.count.sendErrors++
		return nil
	}
	return out
}

// protectRTCP is the same for RTCP.
func (l *Leg) protectRTCP(packet []byte) []byte {
	if l.guard.srtp == nil {
		return nil
	}
	out, err := l.guard.srtp.ProtectRTCP(l.w.sealed[:0], packet)
	if err != nil {
		l.w.count.sendErrors++
		return nil
	}
	return out
}

// protection names how the leg's sound is protected, "" for plain RTP.
func (l *Leg) protection() string {
	switch {
	case l.guard == nil:
		return ""
	case l.guard.srtp == nil:
		return "none yet"
	case l.web != nil:
		return "dtls " + l.guard.srtp.Suite().String()
	}
	return "sdes " + l.guard.srtp.Suite().String()
}

// forged is how many packets were refused for it.
func (l *Leg) forged() uint64 {
	if l.guard == nil {
		return 0
	}
	return l.guard.forged
}
