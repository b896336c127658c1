package digest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// ServerConfig is what a Server is made with.
type ServerConfig struct {
	Realm string
	// Secret keys the nonces; at least 16 random bytes. Servers with the same
	// secret accept each other's nonces.
	Secret []byte
	// Lifetime of a nonce; an older one is stale. 0 = 5 minutes.
	Lifetime time.Duration
	// Algorithms offered, in order of preference; nil = SHA-256 then MD5.
	Algorithms []Algorithm
	// MaxNonces bounds the replay memory: 24 bytes each. When it is full the
	// oldest half is forgotten, and nonces issued before that are stale. 0 = 65,536.
	MaxNonces int
}

// Verdict of a check.
type Verdict uint8

// Verdicts.
const (
	OK        Verdict = iota
	Stale             // nonce ours but too old, or the count was seen: challenge with stale=true, no guess was made
	Wrong             // wrong password, user, realm or a nonce that is not ours: challenge, count it against the source
	Malformed         // 400
)

var verdictNames = [...]string{"ok", "stale", "wrong", "malformed"}

// String is the verdict's name for logs and metric labels.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return "unknown"
}

// Server issues and checks nonces. A nonce carries its time and a serial number
// under an HMAC, so a challenge costs no memory; only a nonce that was used with
// the right password is remembered, for its count. One owner.
type Server struct {
	cfg    ServerConfig
	mac    hash.Hash
	serial uint64
	seen   map[uint64]window // by serial, of nonces used rightly
	old    map[uint64]window // the generation before
	floor  int64             // ms; nonces issued before are stale (replay memory was dropped)
	newest int64             // ms; newest issue time in seen
	prev   int64             // ms; newest issue time in old

	// Scratch, as what is given to an interface would be allocated each time.
	realm []byte
	buf   [nonceBytes]byte
	sum   [sha256.Size]byte
	// The last nonce opened: IssuedTo and Check ask for the same one after the other.
	opened [nonceChars]byte
	issued int64
	number uint64
}

// window is the replay window of one nonce: like IPsec's, so that UDP may
// reorder two requests.
type window struct {
	top  uint32 // highest nc taken
	bits uint64 // bit i: top-i taken
}

// nonce layout before base64: 8 bytes time (ms), 8 bytes serial, 4 bytes that tell to
// whom it was issued, 16 bytes HMAC-SHA-256 (truncated).
const (
	noncePeer  = 16
	nonceBody  = noncePeer + 4
	nonceMAC   = 16
	nonceBytes = nonceBody + nonceMAC
	nonceChars = (nonceBytes*8 + 5) / 6
)

var nonceText = base64.RawURLEncoding

// NewServer makes a server. serial is where nonce numbers start: random, so that
// two servers with one secret do not use the same.
func NewServer(cfg ServerConfig, serial uint64) *Server {
	if cfg.Lifetime <= 0 {
		cfg.Lifetime = 5 * time.Minute
	}
	if cfg.Algorithms == nil {
		cfg.Algorithms = []Algorithm{SHA256, MD5}
	}
	if cfg.MaxNonces <= 0 {
		cfg.MaxNonces = 1 << 16
	}
	return &Server{cfg: cfg, mac: hmac.New(sha256.New, cfg.Secret), serial: serial, seen: make(map[uint64]window), realm: []byte(cfg.Realm)}
}

// Realm is the protection space.
func (s *Server) Realm() string { return s.cfg.Realm }

// seal is the HMAC of a nonce's body, valid until the next one.
func (s *Server) seal(body []byte) []byte {
	s.mac.Reset()
	s.mac.Write(body)
	s.mac.Write(s.realm) // a nonce of one realm is nothing in another
	return s.mac.Sum(s.sum[:0])[:nonceMAC]
}

// tagPrefix parts the HMAC of an address from that of a nonce.
var tagPrefix = []byte("peer ")

// tag is what a nonce says of the address that it was sent to, valid until the next
// HMAC. head is in s.buf.
func (s *Server) tag(head []byte, peer netip.Addr) []byte {
	s.mac.Reset()
	s.mac.Write(tagPrefix)
	a := peer.As16()
	copy(s.sum[:], a[:])
	s.mac.Write(s.sum[:len(a)])
	s.mac.Write(head)
	return s.mac.Sum(s.sum[:0])[:nonceBody-noncePeer]
}

// IssuedTo reports whether a nonce is ours, and whether it was sent to peer: then
// who shows it there reads what is sent there, and writes no false source address.
func (s *Server) IssuedTo(nonce string, peer netip.Addr) (ours, here bool) {
	if _, _, ok := s.open(nonce); !ok {
		return false, false
	}
	_, _ = nonceText.Decode(s.buf[:], s.opened[:]) // open did, perhaps some time ago
	return true, subtle.ConstantTimeCompare(s.tag(s.buf[:noncePeer], peer), s.buf[noncePeer:nonceBody]) == 1
}

// Nonce makes a fresh nonce for peer.
func (s *Server) Nonce(now time.Time, peer netip.Addr) string {
	s.serial++
	b := s.buf[:]
	binary.BigEndian.PutUint64(b, uint64(now.UnixMilli()))
	binary.BigEndian.PutUint64(b[8:], s.serial)
	copy(b[noncePeer:nonceBody], s.tag(b[:noncePeer], peer))
	copy(b[nonceBody:], s.seal(b[:nonceBody]))
	return nonceText.EncodeToString(b)
}

// Challenge returns the WWW-Authenticate (or Proxy-Authenticate) values of one
// 401 (407) to peer, most wanted first: RFC 8760 2.2, one header per algorithm.
func (s *Server) Challenge(now time.Time, stale bool, peer netip.Addr) []string {
	return s.ChallengeFor(now, stale, peer, s.cfg.Algorithms)
}

// ChallengeFor is Challenge with algorithms of the caller's choice, for a peer
// known to give up when it reads one it does not know instead of taking the next
// (seen with baresip 1.0). What Check takes stays as configured.
func (s *Server) ChallengeFor(now time.Time, stale bool, peer netip.Addr, algorithms []Algorithm) []string {
	nonce := s.Nonce(now, peer)
	out := make([]string, 0, len(algorithms))
	for _, a := range algorithms {
		var room [256]byte
		b := append(room[:0], "Digest realm="...)
		b = quote(b, s.cfg.Realm)
		b = append(b, `, nonce="`...)
		b = append(b, nonce...)
		b = append(b, '"')
		if stale {
			b = append(b, ", stale=true"...)
		}
		b = append(b, ", algorithm="...)
		b = append(b, a.String()...)
		b = append(b, `, qop="auth"`...)
		out = append(out, string(b))
	}
	return out
}

// Credentials is a parsed Authorization or Proxy-Authorization header.
type Credentials struct {
	Username, Realm, Nonce, URI, Response, CNonce, Opaque string
	Algorithm                                             Algorithm
	QOP                                                   string // "auth" or ""
	NC                                                    uint32
	ncText                                                string
}

// ParseCredentials reads one header value. Unknown parameters are skipped; an
// algorithm or qop we never offer is ErrNoCommon.
func ParseCredentials(v string) (Credentials, error) {
	var c Credentials
	var alg string
	err := eachParam(v, func(name, val string) bool {
		switch {
		case strings.EqualFold(name, "username"):
			c.Username = val
		case strings.EqualFold(name, "realm"):
			c.Realm = val
		case strings.EqualFold(name, "nonce"):
			c.Nonce = val
		case strings.EqualFold(name, "uri"):
			c.URI = val
		case strings.EqualFold(name, "response"):
			c.Response = val
		case strings.EqualFold(name, "cnonce"):
			c.CNonce = val
		case strings.EqualFold(name, "opaque"):
			c.Opaque = val
		case strings.EqualFold(name, "algorithm"):
			alg = val
		case strings.EqualFold(name, "qop"):
			c.QOP = strings.ToLower(val)
		case strings.EqualFold(name, "nc"):
			n, err := strconv.ParseUint(val, 16, 32)
			if err != nil || len(val) != 8 {
				return false
			}
			c.NC, c.ncText = uint32(n), val
		}
		return true
	})
	if err != nil {
		return c, err
	}
	var ok bool
	if c.Algorithm, ok = parseAlgorithm(alg); !ok || (c.QOP != "" && c.QOP != "auth") {
		return c, ErrNoCommon
	}
	if c.Nonce == "" || c.URI == "" || len(c.Response) != c.Algorithm.size() ||
		(c.QOP != "" && (c.CNonce == "" || c.ncText == "")) {
		return c, ErrMalformed
	}
	return c, nil
}

// Check verifies credentials for a request. ha1 is the account's secret for
// c.Algorithm in hex; "" for an unknown account, which costs the same time and
// is Wrong. The caller compares c.URI with the Request-URI as strictly as its
// peers allow (RFC 7616 3.4.6; proxies may rewrite the Request-URI).
func (s *Server) Check(now time.Time, method string, c Credentials, ha1 string) Verdict {
	known := ha1 != "" && len(ha1) == c.Algorithm.size()
	if !known {
		// The same work for a name that does not exist: time must not tell names.
		ha1 = "0000000000000000000000000000000000000000000000000000000000000000"[:c.Algorithm.size()]
	}
	issued, serial, ours := s.open(c.Nonce)
	var buf [2 * sha256.Size]byte
	want := response(buf[:0], c.Algorithm, ha1, c.Nonce, c.ncText, c.CNonce, c.QOP, method, c.URI)
	var got [2 * sha256.Size]byte
	right := subtle.ConstantTimeCompare(want, lowerHex(got[:0], c.Response)) == 1
	offered := false
	for _, a := range s.cfg.Algorithms {
		offered = offered || a == c.Algorithm
	}
	if !ours || !offered || c.Realm != s.cfg.Realm || !right || !known {
		return Wrong
	}
	ms := now.UnixMilli()
	// A nonce of the future is ours only if the clock jumped back: stale.
	if issued > ms+1000 || ms-issued > s.cfg.Lifetime.Milliseconds() || issued < s.floor {
		return Stale
	}
	nc := c.NC
	if c.QOP == "" {
		nc = 1 // without qop there is no count: such a nonce serves once
	}
	if !s.take(issued, serial, nc) {
		return Stale
	}
	return OK
}

// open checks a nonce's seal.
func (s *Server) open(nonce string) (issuedMs int64, serial uint64, ok bool) {
	if len(nonce) != nonceChars {
		return 0, 0, false
	}
	if s.issued != 0 && nonce == string(s.opened[:]) {
		return s.issued, s.number, true
	}
	var text [nonceChars]byte
	copy(text[:], nonce)
	b := s.buf[:]
	if _, err := nonceText.Decode(b, text[:]); err != nil {
		return 0, 0, false
	}
	if subtle.ConstantTimeCompare(s.seal(b[:nonceBody]), b[nonceBody:]) != 1 {
		return 0, 0, false
	}
	s.opened, s.issued, s.number = text, int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:])
	return s.issued, s.number, true
}

// take marks nc as used; false when it was, or is too far behind to know.
func (s *Server) take(issued int64, serial uint64, nc uint32) bool {
	w, ok := s.seen[serial]
	if !ok {
		w, ok = s.old[serial]
	}
	switch {
	case nc == 0:
		return false // counts begin at 1, RFC 7616 3.4
	case !ok:
		w = window{top: nc, bits: 1}
	case nc > w.top:
		if shift := nc - w.top; shift < 64 {
			w.bits = w.bits<<shift | 1
		} else {
			w.bits = 1
		}
		w.top = nc
	case w.top-nc >= 64 || w.bits&(1<<(w.top-nc)) != 0:
		return false
	default:
		w.bits |= 1 << (w.top - nc)
	}
	s.seen[serial] = w
	s.newest = max(s.newest, issued)
	if len(s.seen) >= max(1, s.cfg.MaxNonces/2) {
		// Two generations bound the memory without a queue. What is forgotten
		// must not be replayed: everything issued up to then becomes stale.
		if len(s.old) > 0 {
			s.floor = max(s.floor, s.prev+1)
		}
		s.old, s.prev = s.seen, s.newest
		s.seen, s.newest = make(map[uint64]window), 0
	}
	return true
}

// Counts returns the counts taken, for a process that goes on with the same
// secret: see LoadCounts.
func (s *Server) Counts() []byte {
	out := binary.BigEndian.AppendUint64(nil, uint64(s.floor))
	out = binary.BigEndian.AppendUint64(out, uint64(max(s.newest, s.prev)))
	for _, m := range []map[uint64]window{s.old, s.seen} {
		for serial, w := range m {
			out = binary.BigEndian.AppendUint64(out, serial)
			out = binary.BigEndian.AppendUint32(out, w.top)
			out = binary.BigEndian.AppendUint64(out, w.bits)
		}
	}
	return out
}

// LoadCounts takes what Counts returned; false when it is nothing of the kind,
// and nothing was taken then.
func (s *Server) LoadCounts(b []byte) bool {
	const each = 8 + 4 + 8
	if len(b) < 16 || (len(b)-16)%each != 0 {
		return false
	}
	s.floor = int64(binary.BigEndian.Uint64(b))
	newest := int64(binary.BigEndian.Uint64(b[8:]))
	s.old, s.prev = make(map[uint64]window, (len(b)-16)/each), newest
	for b = b[16:]; len(b) > 0; b = b[each:] {
		w := window{top: binary.BigEndian.Uint32(b[8:]), bits: binary.BigEndian.Uint64(b[12:])}
		serial := binary.BigEndian.Uint64(b)
		if have, ok := s.old[serial]; !ok || have.top <= w.top { // in both generations: the newer has the higher count
			s.old[serial] = w
		}
	}
	return true
}

// Forget makes every nonce issued up to now stale: for a process that does not
// know which counts were taken.
func (s *Server) Forget(now time.Time) { s.floor = max(s.floor, now.UnixMilli()+1) }

// lowerHex lets a peer write its digest in capitals, which RFC 7616 does not allow.
func lowerHex(b []byte, s string) []byte {
	b = append(b, s...)
	for i, c := range b {
		if c >= 'A' && c <= 'F' {
			b[i] = c + 'a' - 'A'
		}
	}
	return b
}
