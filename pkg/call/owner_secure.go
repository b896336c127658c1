package call

import (
	"crypto/rand"
	"net/netip"
	"slices"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/secure"
	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/pkg/sdp"
	"github.com/centrala/centrala/pkg/sip"
)

// Encryption is the policy of a device or trunk for its sound.
type Encryption struct {
	// Mode is "off": no SRTP; "optional" or "": SRTP where the peer offers it, and
	// offered by us where the signalling is secure; "required": SRTP or no call.
	Mode string
	// KeysInClear allows SDES over signalling that is not TLS: whoever reads the
	// signalling can then read the sound.
	KeysInClear bool
}

const (
	encryptionOff      = "off"
	encryptionRequired = "required"
)

// suitesOffered is what we speak, best first: AEAD costs half of what AES-CM with
// HMAC does, and the 32-bit tags come last (RFC 3711 9.5).
var suitesOffered = []secure.Suite{secure.AEAD128GCM, secure.AES128CM80, secure.AEAD256GCM, secure.AES256CM80, secure.AES128CM32, secure.AES256CM32}

// isWeb tells a browser's signalling (RFC 7118).
func isWeb(transport string) bool { return transport == "ws" || transport == "wss" }

// wantsWeb tells whether a leg's stream is a browser's: by its offer, or, when we
// make the offer, by how it registered.
func (o *owner) wantsWeb(l *legHandle) bool {
	if o.mgr.deps.Media.Fingerprint() == "" {
		return false
	}
	if l.offer != nil {
		return l.offer.IsWeb()
	}
	return isWeb(l.source.Transport)
}

// encryption is the policy of who is behind a leg.
func (o *owner) encryption(l *legHandle) Encryption {
	if l.device != "" {
		return o.house.Device(l.device).Encryption
	}
	if t := o.house.Trunk(l.trunk); t != nil {
		return t.Encryption
	}
	return Encryption{}
}

// protect puts what protects a leg's sound into its SDP: ICE and DTLS for a
// browser, keys of SDES by the policy of its device or trunk.
func (o *owner) protect(l *legHandle) {
	if c, ok := l.media.Credentials(false); ok {
		l.local.Web = &sdp.Web{ICE: sdp.ICE{Ufrag: c.Ufrag, Password: c.Password}, Fingerprint: o.mgr.deps.Media.Fingerprint(), SSRC: c.SSRC, CNAME: c.CNAME,
			Candidates: o.mgr.candidates(l.local.Addr.Addr()), TCP: o.mgr.deps.Media.WebTCP()}
		return
	}
	e := o.encryption(l)
	p := &l.local.Protection
	p.Required = e.Mode == encryptionRequired
	secured := l.source.Transport == "tls" || l.source.Transport == "wss"
	if e.Mode == encryptionOff || !secured && !e.KeysInClear {
		if p.Required {
			o.log.Warn("SRTP is required, but its keys would travel in clear: register by TLS, or set sdes_over_plain_sip", zap.String("device", l.device), zap.String("trunk", l.trunk))
		}
		return
	}
	for i, s := range suitesOffered {
		p.Crypto = append(p.Crypto, sdp.Crypto{Tag: i + 1, Suite: s.String(), Key: newKey(s)})
	}
	p.Offer = true
}

func newKey(s secure.Suite) []byte {
	k := make([]byte, s.KeyBytes())
	_, _ = rand.Read(k) // never fails since Go 1.24
	return k
}

// candidates are the addresses of the port of browsers: those of the node file,
// else the one that the peer is reached from.
func (m *Manager) candidates(own netip.Addr) []netip.Addr {
	if len(m.deps.WebAddrs) > 0 {
		return m.deps.WebAddrs
	}
	all := []netip.Addr{own}
	if own.IsLoopback() {
		// A browser on this very machine sends from its network's addresses and never
		// to the loopback's: it needs one of ours in that network.
		for _, a := range m.deps.HostAddrs {
			if a.Is4() == own.Is4() {
				all = append(all, a)
			}
		}
	}
	return all
}

// restarted makes new credentials of ours when the peer's offer has new ones of its
// own (RFC 8445 9): its network has changed.
func (l *legHandle) restarted(offer *sdp.Session) {
	if l.local.Web == nil || l.peerUfrag == "" || offer.Audio.ICE.Ufrag == "" || offer.Audio.ICE.Ufrag == l.peerUfrag {
		return
	}
	if c, ok := l.media.Credentials(true); ok {
		w := *l.local.Web
		w.ICE = sdp.ICE{Ufrag: c.Ufrag, Password: c.Password}
		l.local.Web = &w
	}
}

// shield fills what protects the stream from what was agreed.
func (o *owner) shield(l *legHandle, n sdp.Negotiated, p *session.Params) {
	p.SRTP, p.Web = nil, nil
	if n.DTLS != nil {
		p.Web = &session.Web{Fingerprints: n.DTLS.Fingerprints, Client: n.DTLS.Client}
		l.peerUfrag = n.ICE.Ufrag
		return
	}
	own := &l.local.Protection
	own.Offer = n.SDES != nil // what we offer in this dialog from now on
	if n.SDES == nil {
		return
	}
	suite, _ := secure.ParseSuite(n.SDES.Suite)
	p.SRTP = &secure.Keys{Suite: suite, Local: n.SDES.Local, Remote: n.SDES.Remote, RemoteMKI: n.SDES.RemoteMKI}
	// A key that was used is never used again after another: its packets would be
	// numbered from the beginning under the same key stream (RFC 3711 9.1).
	if l.suite != secure.NoSuite && l.suite != suite {
		own.Crypto = slices.Clone(own.Crypto)
		for i := range own.Crypto {
			if s, _ := secure.ParseSuite(own.Crypto[i].Suite); s != suite {
				own.Crypto[i].Key = newKey(s)
			}
		}
	}
	l.suite = suite
}

// plainAgain dials a leg a second time without SRTP, when the phone refused our
// offer with it and the policy lets it be without. True: it rings again.
func (o *owner) plainAgain(l *legHandle, code int) bool {
	p := &l.local.Protection
	if l.local.Web != nil || !p.Offer || p.Required || l.agreed || code != 488 && code != 606 && code != 415 {
		return false
	}
	p.Offer = false
	l.said = sdp.Revise(l.said, sdp.Offer(l.local))
	l.request.SDP = l.said
	d, err := o.mgr.deps.SIP.Dial(l.request, l.sinkOf(l.dial+1))
	if err != nil {
		return false
	}
	l.dial++
	o.log.Info("phone takes no SRTP, dialled again without", zap.String("device", l.device), zap.String("trunk", l.trunk))
	o.mgr.redialled(l, d)
	return true
}

// redialled puts a new dialog in the place of one that was refused.
func (m *Manager) redialled(l *legHandle, d *sip.Dialog) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.dialogs, l.dialog.SIPCallID())
	l.dialog = d
	l.lampDialog.Store(d)
	m.dialogs[d.SIPCallID()] = l
}
