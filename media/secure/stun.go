package secure

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// The little of STUN (RFC 8489) that the lite side of ICE needs: to read a Binding
// request and to answer it. pion/stun allocates for every attribute of every
// stranger's packet.
const (
	stunHeader      = 20
	stunCookie      = 0x2112A442
	bindingRequest  = 0x0001
	bindingSuccess  = 0x0101
	bindingError    = 0x0111
	attrUsername    = 0x0006
	attrIntegrity   = 0x0008
	attrErrorCode   = 0x0009
	attrUnknown     = 0x000A
	attrXORAddress  = 0x0020
	attrUseNominate = 0x0025
	attrFingerprint = 0x8028
	attrControlled  = 0x8029
	attrControlling = 0x802A
	attrPriority    = 0x0024
	fingerprintMask = 0x5354554E
	// maxCheck bounds what is read as a check: a username is 513 bytes at most (RFC
	// 8489 14.3).
	maxCheck = 1024
)

// IsSTUN tells STUN on a shared port (RFC 7983: the first byte is 0..3).
func IsSTUN(b []byte) bool {
	return len(b) >= stunHeader && b[0] < 4 && binary.BigEndian.Uint32(b[4:]) == stunCookie
}

// IsDTLS tells DTLS on a shared port (RFC 7983: 20..63).
func IsDTLS(b []byte) bool { return len(b) >= 13 && b[0] >= 20 && b[0] <= 63 }

// check is a Binding request as read.
type check struct {
	id         []byte // transaction id, 12 bytes
	username   []byte
	signed     []byte // what the integrity covers
	mac        []byte
	nominate   bool
	controlled bool // the peer believes that we are the controlling side
	unknown    uint16
}

// parseCheck reads a Binding request; false for anything else, and for one without
// user name or integrity. Its parts point into b.
func parseCheck(b []byte) (c check, ok bool) {
	if len(b) > maxCheck || !IsSTUN(b) || binary.BigEndian.Uint16(b) != bindingRequest ||
		int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHeader || len(b)%4 != 0 {
		return c, false
	}
	c.id = b[8:stunHeader]
	for at := stunHeader; at < len(b); {
		if at+4 > len(b) {
			return c, false
		}
		kind, n := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		v := at + 4
		if v+n > len(b) {
			return c, false
		}
		if c.mac != nil && kind != attrFingerprint {
			// RFC 8489 14.5: what stands behind the integrity is not covered by it.
			at = v + (n+3)&^3
			continue
		}
		switch kind {
		case attrUsername:
			c.username = b[v : v+n]
		case attrIntegrity:
			if n != sha1.Size {
				return c, false
			}
			c.signed, c.mac = b[:at], b[v:v+n]
		case attrUseNominate:
			c.nominate = true
		case attrControlled:
			c.controlled = true
		case attrFingerprint:
			if n != 4 || binary.BigEndian.Uint32(b[v:]) != crc32.ChecksumIEEE(b[:at])^fingerprintMask {
				return c, false
			}
		case attrControlling, attrPriority:
		default:
			if kind < 0x8000 && c.unknown == 0 {
				c.unknown = kind // must be understood (RFC 8489 14)
			}
		}
		at = v + (n+3)&^3
	}
	return c, c.username != nil && c.mac != nil
}

// genuine tells whether the check was made with our password.
func (c *check) genuine(password string) bool {
	mac := hmac.New(sha1.New, []byte(password))
	// RFC 8489 14.5: the length in the header is as if the integrity were the last.
	var head [stunHeader]byte
	copy(head[:], c.signed)
	binary.BigEndian.PutUint16(head[2:], uint16(len(c.signed)-stunHeader+4+sha1.Size))
	mac.Write(head[:])
	mac.Write(c.signed[stunHeader:])
	return hmac.Equal(mac.Sum(nil), c.mac)
}

// reply appends the answer to a check: success with the address it came from, or
// an error with its code when code is not 0.
func (c *check) reply(dst []byte, password string, from netip.AddrPort, code int) []byte {
	be := binary.BigEndian
	at := len(dst)
	kind := uint16(bindingSuccess)
	if code != 0 {
		kind = bindingError
	}
	dst = be.AppendUint16(dst, kind)
	dst = be.AppendUint16(dst, 0)
	dst = be.AppendUint32(dst, stunCookie)
	dst = append(dst, c.id...)
	switch {
	case code == 0:
		dst = appendAddress(dst, from, c.id)
	default:
		dst = be.AppendUint16(dst, attrErrorCode)
		dst = be.AppendUint16(dst, 4)
		dst = append(dst, 0, 0, byte(code/100), byte(code%100))
		if code == 420 {
			dst = be.AppendUint16(dst, attrUnknown)
			dst = be.AppendUint16(dst, 2)
			dst = be.AppendUint16(dst, c.unknown)
			dst = append(dst, 0, 0)
		}
	}
	length := func(n int) { be.PutUint16(dst[at+2:], uint16(len(dst)-at-stunHeader+n)) }
	length(4 + sha1.Size)
	mac := hmac.New(sha1.New, []byte(password))
	mac.Write(dst[at:])
	dst = be.AppendUint16(dst, attrIntegrity)
	dst = be.AppendUint16(dst, sha1.Size)
	dst = mac.Sum(dst)
	length(8)
	crc := crc32.ChecksumIEEE(dst[at:]) ^ fingerprintMask
	dst = be.AppendUint16(dst, attrFingerprint)
	dst = be.AppendUint16(dst, 4)
	return be.AppendUint32(dst, crc)
}

// appendAddress is XOR-MAPPED-ADDRESS (RFC 8489 14.2).
func appendAddress(dst []byte, from netip.AddrPort, id []byte) []byte {
	be := binary.BigEndian
	ip := from.Addr().Unmap()
	family, n := byte(1), uint16(8)
	if ip.Is6() {
		family, n = 2, 20
	}
	dst = be.AppendUint16(dst, attrXORAddress)
	dst = be.AppendUint16(dst, n)
	dst = append(dst, 0, family)
	dst = be.AppendUint16(dst, from.Port()^(stunCookie>>16))
	var mask [16]byte
	be.PutUint32(mask[:], stunCookie)
	copy(mask[4:], id)
	for i, x := range ip.AsSlice() {
		dst = append(dst, x^mask[i])
	}
	return dst
}

// local is our half of a check's user name, "ours:theirs".
func (c *check) local() []byte {
	u, _, _ := bytes.Cut(c.username, []byte{':'})
	return u
}
