package secure

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"
	"time"
)

const (
	// MaxOverhead is the most that protection adds to a packet: the tag of AEAD (16
	// bytes) and SRTCP's index (4).
	MaxOverhead = 20
	// maxSources bounds the SSRCs of one key, each with its rollover counter and
	// replay list; a phone uses two or three in its life.
	maxSources = 16
	// oldKeyFor is how long packets of the peer's former key are still taken after a
	// new one: those under way while the answer travelled.
	oldKeyFor = 2 * time.Second

	headerBytes  = 12 // RTP, without CSRCs and extension
	controlBytes = 8  // of RTCP that stay readable (RFC 3711 3.4)
	maxIndex     = 1<<48 - 1
	encrypted    = 1 << 31 // SRTCP's E bit
)

// Session is SRTP for one stream, both directions. It has one owner. Nothing is
// allocated for a packet.
type Session struct {
	keys Keys
	out  *direction
	in   *direction
	old  *direction // the peer's former key, nil = none
	till time.Time
	late bool // see Late
}

// NewSession makes a session. The error wraps ErrKeys.
func NewSession(k Keys) (*Session, error) {
	s := &Session{}
	if err := s.Renew(k, time.Time{}); err != nil {
		return nil, err
	}
	return s, nil
}

// Renew takes new keys. A direction whose key stays the same goes on with its
// rollover counter and replay list; packets of the peer's old key are taken for
// two more seconds. On error, which wraps ErrKeys, the session stays as it is.
func (s *Session) Renew(k Keys, now time.Time) error {
	if k.Suite == NoSuite || len(k.Local) != k.Suite.KeyBytes() || len(k.Remote) != k.Suite.KeyBytes() {
		return fmt.Errorf("%w: %v wants %d bytes, got %d and %d", ErrKeys, k.Suite, k.Suite.KeyBytes(), len(k.Local), len(k.Remote))
	}
	same := k.Suite == s.keys.Suite
	if !same || !bytes.Equal(k.Local, s.keys.Local) {
		s.out = newDirection(k.Suite, k.Local, nil)
	}
	if !same || !bytes.Equal(k.Remote, s.keys.Remote) || !bytes.Equal(k.RemoteMKI, s.keys.RemoteMKI) {
		s.old, s.till = s.in, now.Add(oldKeyFor)
		s.in = newDirection(k.Suite, k.Remote, k.RemoteMKI)
	}
	s.keys = k
	return nil
}

// Suite is the one agreed on.
func (s *Session) Suite() Suite { return s.keys.Suite }

// Protect writes packet, protected, to dst, which must not overlap it; with
// room for MaxOverhead bytes more nothing is allocated. The error is ErrAuth for what is no RTP packet, or
// ErrSpent.
func (s *Session) Protect(dst, packet []byte) ([]byte, error) { return s.out.protect(dst, packet) }

// ProtectRTCP is Protect for a compound RTCP packet.
func (s *Session) ProtectRTCP(dst, packet []byte) ([]byte, error) {
	return s.out.protectRTCP(dst, packet)
}

// Unprotect writes packet's plain form to dst, which must not overlap it, with
// the same room. The error is ErrAuth or ErrReplay.
func (s *Session) Unprotect(dst, packet []byte, now time.Time) ([]byte, error) {
	b, err := s.in.unprotect(dst, packet)
	if s.late = err == ErrAuth && s.former(now); s.late {
		return s.old.unprotect(dst, packet)
	}
	return b, err
}

// Late tells whether the packet of the last Unprotect was taken by the key before.
func (s *Session) Late() bool { return s.late }

// UnprotectRTCP is Unprotect for SRTCP.
func (s *Session) UnprotectRTCP(dst, packet []byte, now time.Time) ([]byte, error) {
	b, err := s.in.unprotectRTCP(dst, packet)
	if err == ErrAuth && s.former(now) {
		return s.old.unprotectRTCP(dst, packet)
	}
	return b, err
}

func (s *Session) former(now time.Time) bool {
	if s.old != nil && now.After(s.till) {
		s.old = nil
	}
	return s.old != nil
}

// direction is one master key.
type direction struct {
	suite        Suite
	mki          []byte
	rtp, control cryptor
	sources      []source
	last         int // index of the source used last
	evict        int // which goes next
}

// source is the state of one SSRC under one key (RFC 3711 3.2.3).
type source struct {
	ssrc    uint32
	rtp     window // of the packet index: rollover counter and sequence number
	control window // of the SRTCP index
}

// newDirection derives the session keys (RFC 3711 4.3) with a key derivation rate
// of zero, the only one in use.
func newDirection(suite Suite, master Secret, mki []byte) *direction {
	d := &direction{suite: suite, mki: bytes.Clone(mki)}
	d.rtp.init(suite, master, 0, suites[suite].tag)
	d.control.init(suite, master, 3, suites[suite].control)
	return d
}

// derive is AES-CM's PRF: n bytes of key stream under the label (RFC 3711 4.3.3,
// RFC 6188 3 for 256 bits, RFC 7714 11 for salts of 96 bits, padded with zeros).
func derive(master Secret, keyBytes int, label byte, n int) []byte {
	block, err := aes.NewCipher(master[:keyBytes])
	if err != nil {
		panic(err) // the lengths of the table are those of AES
	}
	var iv [aes.BlockSize]byte
	copy(iv[:14], master[keyBytes:])
	iv[7] ^= label
	out := make([]byte, n)
	cipher.NewCTR(block, iv[:]).XORKeyStream(out, out)
	return out
}

// cryptor is the session keys of RTP or of RTCP. What would escape to the heap for
// each packet has its place in it.
type cryptor struct {
	salt  [14]byte
	tag   int
	aead  cipher.AEAD  // AEAD suites
	block cipher.Block // the others
	mac   hash.Hash
	iv    [aes.BlockSize]byte
	key   [aes.BlockSize]byte
	word  [4]byte
	extra [12]byte
	sum   [sha1.Size]byte
}

func (c *cryptor) init(suite Suite, master Secret, label byte, tag int) {
	d := suites[suite]
	c.tag = tag
	copy(c.salt[:], derive(master, d.key, label+2, d.salt))
	block, err := aes.NewCipher(derive(master, d.key, label, d.key))
	if err != nil {
		panic(err)
	}
	if d.aead {
		if c.aead, err = cipher.NewGCM(block); err != nil {
			panic(err)
		}
		return
	}
	c.block = block
	c.mac = hmac.New(sha1.New, derive(master, d.key, label+1, sha1.Size))
}

// ctr turns src into dst by AES in counter mode (RFC 3711 4.1.1). The standard
// library's own needs an object for each packet.
func (c *cryptor) ctr(dst, src []byte, ssrc uint32, index uint64) {
	iv := &c.iv
	copy(iv[:], c.salt[:])
	iv[14], iv[15] = 0, 0
	binary.BigEndian.PutUint32(iv[4:], binary.BigEndian.Uint32(iv[4:])^ssrc)
	binary.BigEndian.PutUint64(iv[6:], binary.BigEndian.Uint64(iv[6:])^index) // 48 bits, into iv[8:14]
	for n := uint16(0); len(src) > 0; n++ {
		binary.BigEndian.PutUint16(iv[14:], n)
		c.block.Encrypt(c.key[:], iv[:])
		k := subtle.XORBytes(dst, src, c.key[:])
		dst, src = dst[k:], src[k:]
	}
}

// authenticate is the tag over b and the word behind it (RFC 3711 4.2).
func (c *cryptor) authenticate(b []byte, word uint32) []byte {
	c.mac.Reset()
	c.mac.Write(b)
	binary.BigEndian.PutUint32(c.word[:], word)
	c.mac.Write(c.word[:])
	return c.mac.Sum(c.sum[:0])[:c.tag]
}

// nonce is AEAD's, for RTP and, with index below 2^31, for RTCP (RFC 7714 8.1, 9.1).
func (c *cryptor) nonce(ssrc uint32, index uint64) []byte {
	iv := c.iv[:12]
	iv[0], iv[1] = 0, 0
	binary.BigEndian.PutUint32(iv[2:], ssrc)
	binary.BigEndian.PutUint16(iv[6:], uint16(index>>32))
	binary.BigEndian.PutUint32(iv[8:], uint32(index))
	subtle.XORBytes(iv, iv, c.salt[:12])
	return iv
}

// payload finds where the payload of an RTP packet begins, 0 when it is none.
func payload(b []byte) int {
	if len(b) < headerBytes || b[0]>>6 != 2 {
		return 0
	}
	off := headerBytes + 4*int(b[0]&0x0F)
	if b[0]&0x10 != 0 {
		if off+4 > len(b) {
			return 0
		}
		off += 4 + 4*int(binary.BigEndian.Uint16(b[off+2:]))
	}
	if off > len(b) {
		return 0
	}
	return off
}

// room is dst, empty, with place for n bytes.
func room(dst []byte, n int) []byte {
	if cap(dst) < n {
		return make([]byte, 0, n)
	}
	return dst[:0]
}

// find is the state of ssrc; nil when it has none.
func (d *direction) find(ssrc uint32) *source {
	if d.last < len(d.sources) && d.sources[d.last].ssrc == ssrc {
		return &d.sources[d.last]
	}
	for i := range d.sources {
		if d.sources[i].ssrc == ssrc {
			d.last = i
			return &d.sources[i]
		}
	}
	return nil
}

// keep is find, for a source that has proved itself.
func (d *direction) keep(ssrc uint32) *source {
	if s := d.find(ssrc); s != nil {
		return s
	}
	if len(d.sources) < maxSources {
		d.sources = append(d.sources, source{ssrc: ssrc})
		d.last = len(d.sources) - 1
		return &d.sources[d.last]
	}
	// More than any phone has: the peer, who holds the key, plays with us. What it
	// loses is the replay list of a source of its own.
	if d.evict == d.last {
		d.evict = (d.evict + 1) % maxSources
	}
	d.last, d.evict = d.evict, (d.evict+1)%maxSources
	d.sources[d.last] = source{ssrc: ssrc}
	return &d.sources[d.last]
}

func (d *direction) protect(dst, b []byte) ([]byte, error) {
	off := payload(b)
	if off == 0 {
		return nil, ErrAuth
	}
	ssrc := binary.BigEndian.Uint32(b[8:])
	s := d.keep(ssrc)
	index := s.rtp.index(binary.BigEndian.Uint16(b[2:]))
	if index > maxIndex {
		return nil, ErrSpent
	}
	s.rtp.mark(index)
	dst = append(room(dst, len(b)+MaxOverhead), b[:off]...)
	c := &d.rtp
	if c.aead != nil {
		return c.aead.Seal(dst, c.nonce(ssrc, index), b[off:], dst), nil
	}
	dst = dst[:len(b)]
	c.ctr(dst[off:], b[off:], ssrc, index)
	return append(dst, c.authenticate(dst, uint32(index>>16))...), nil
}

func (d *direction) unprotect(dst, b []byte) ([]byte, error) {
	off, c := payload(b), &d.rtp
	end := len(b) - c.tag - len(d.mki) // of the encrypted part without its tag
	if off == 0 || end < off {
		return nil, ErrAuth
	}
	ssrc := binary.BigEndian.Uint32(b[8:])
	var w window
	if s := d.find(ssrc); s != nil {
		w = s.rtp
	}
	index := w.index(binary.BigEndian.Uint16(b[2:]))
	if !w.fresh(index) {
		return nil, ErrReplay
	}
	dst = append(room(dst, len(b)+MaxOverhead), b[:off]...)
	if c.aead != nil {
		if !bytes.Equal(b[len(b)-len(d.mki):], d.mki) {
			return nil, ErrAuth
		}
		out, err := c.aead.Open(dst, c.nonce(ssrc, index), b[off:end+c.tag], b[:off])
		if err != nil {
			return nil, ErrAuth
		}
		dst = out
	} else {
		if !bytes.Equal(b[end:end+len(d.mki)], d.mki) ||
			subtle.ConstantTimeCompare(c.authenticate(b[:end], uint32(index>>16)), b[len(b)-c.tag:]) == 0 {
			return nil, ErrAuth
		}
		dst = dst[:end]
		c.ctr(dst[off:], b[off:end], ssrc, index)
	}
	d.keep(ssrc).rtp.mark(index)
	return dst, nil
}

func (d *direction) protectRTCP(dst, b []byte) ([]byte, error) {
	if len(b) < controlBytes {
		return nil, ErrAuth
	}
	ssrc := binary.BigEndian.Uint32(b[4:])
	s, c := d.keep(ssrc), &d.control
	index := s.control.high + 1
	if index >= encrypted {
		return nil, ErrSpent // RFC 3711 9.2: 2^31 packets
	}
	s.control.mark(index)
	word := uint32(index) | encrypted
	dst = append(room(dst, len(b)+MaxOverhead), b[:controlBytes]...)
	if c.aead != nil {
		copy(c.extra[:], b[:controlBytes])
		binary.BigEndian.PutUint32(c.extra[controlBytes:], word)
		dst = c.aead.Seal(dst, c.nonce(ssrc, index), b[controlBytes:], c.extra[:])
		return binary.BigEndian.AppendUint32(dst, word), nil
	}
	dst = dst[:len(b)]
	c.ctr(dst[controlBytes:], b[controlBytes:], ssrc, index)
	tag := c.authenticate(dst, word)
	return append(binary.BigEndian.AppendUint32(dst, word), tag...), nil
}

// unprotectRTCP: the index stands behind AEAD's tag (RFC 7714 9.2) and before that
// of the others, with the MKI behind it.
func (d *direction) unprotectRTCP(dst, b []byte) ([]byte, error) {
	c, mki := &d.control, len(d.mki)
	at := len(b) - 4 - mki // of the index
	if c.aead == nil {
		at -= c.tag
	}
	end := at // of what is encrypted
	if c.aead != nil {
		end -= c.tag
	}
	if end < controlBytes || !bytes.Equal(b[at+4:at+4+mki], d.mki) {
		return nil, ErrAuth
	}
	word := binary.BigEndian.Uint32(b[at:])
	if word&encrypted == 0 {
		return nil, ErrAuth // plain SRTCP was not negotiated
	}
	ssrc, index := binary.BigEndian.Uint32(b[4:]), uint64(word&^encrypted)
	var w window
	if s := d.find(ssrc); s != nil {
		w = s.control
	}
	if !w.fresh(index) {
		return nil, ErrReplay
	}
	dst = append(room(dst, len(b)+MaxOverhead), b[:controlBytes]...)
	if c.aead != nil {
		copy(c.extra[:], b[:controlBytes])
		binary.BigEndian.PutUint32(c.extra[controlBytes:], word)
		out, err := c.aead.Open(dst, c.nonce(ssrc, index), b[controlBytes:at], c.extra[:])
		if err != nil {
			return nil, ErrAuth
		}
		dst = out
	} else {
		if subtle.ConstantTimeCompare(c.authenticate(b[:at], word), b[len(b)-c.tag:]) == 0 {
			return nil, ErrAuth
		}
		dst = dst[:end]
		c.ctr(dst[controlBytes:], b[controlBytes:end], ssrc, index)
	}
	d.keep(ssrc).control.mark(index)
	return dst, nil
}

// window is the newest index seen and which of the 128 up to it were: 2.5 s of
// packets of 20 ms. RFC 3711 3.3.2 asks for 64.
type window struct {
	high uint64
	bits [2]uint64 // bit i: high-i was seen
	used bool
}

const windowSize = 128

// index is the packet index that is nearest to the newest (RFC 3711 3.3.1,
// appendix A).
func (w *window) index(seq uint16) uint64 {
	if !w.used {
		return uint64(seq)
	}
	v := int64(w.high) + int64(int16(seq-uint16(w.high)))
	if v < 0 {
		return uint64(seq) // there is nothing before rollover counter 0
	}
	return uint64(v)
}

// fresh tells whether index was not seen before, as far as that is known.
func (w *window) fresh(index uint64) bool {
	if !w.used || index > w.high {
		return true
	}
	d := w.high - index
	return d < windowSize && w.bits[d/64]&(1<<(d%64)) == 0
}

// mark remembers index.
func (w *window) mark(index uint64) {
	switch {
	case !w.used:
		*w = window{high: index, bits: [2]uint64{1}, used: true}
	case index > w.high:
		switch n := index - w.high; {
		case n < 64:
			w.bits[1] = w.bits[1]<<n | w.bits[0]>>(64-n)
			w.bits[0] <<= n
		case n < windowSize:
			w.bits[1], w.bits[0] = w.bits[0]<<(n-64), 0
		default:
			w.bits = [2]uint64{}
		}
		w.high = index
		w.bits[0] |= 1
	default:
		if d := w.high - index; d < windowSize {
			w.bits[d/64] |= 1 << (d % 64)
		}
	}
}
