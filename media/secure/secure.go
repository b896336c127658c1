// Package secure protects sound on its way: SRTP and SRTCP (RFC 3711), the keys of
// SDES (RFC 4568) and of DTLS-SRTP (RFC 5763, 5764), and the lite side of ICE
// (RFC 8445) behind one port for all browsers. It is the only importer of
// pion/dtls.
//
// SRTP is our own, over the ciphers of the standard library: pion/srtp keeps a map
// of sources without a bound, makes garbage for each forged packet, and reads the
// header a second time. Tests hold it against the vectors of the RFCs and pion/srtp.
//
// It opens no socket and reads no clock: packets and the time are handed in, what
// is to be sent is handed out. A Session and a Mux have one owner each and know no
// lock. The one goroutine of its own is that of a DTLS handshake (Handshake), which
// ends with Close. Keys are Secrets: whatever prints them prints a word instead.
package secure

import (
	"errors"
	"fmt"
	"strings"
)

// Secret is key material. fmt, zap and encoding/json show "[secret]" in its place.
type Secret []byte

const hidden = "[secret]"

// String, GoString and MarshalText hide it.
func (Secret) String() string { return hidden }

// GoString is String, for %#v.
func (Secret) GoString() string { return hidden }

// MarshalText is String, for encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Format hides it for every verb, %x included.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// Suite is a crypto suite of SRTP.
type Suite uint8

// Suites, weakest last: the order in which we offer them.
const (
	NoSuite             Suite = iota
	AEAD128GCM                // RFC 7714
	AEAD256GCM                // RFC 7714
	AES128CM80                // RFC 3711, RFC 4568 6.2
	AES256CM80                // RFC 6188
	AES128CM32                // 32-bit tags on RTP, 80-bit on RTCP (RFC 4568 6.2.2)
	AES256CM32                // RFC 6188
	lastSuite           = AES256CM32
	aliasAES256CM80Name = "AES_CM_256_HMAC_SHA1_80" // linphone and others wrote it so before RFC 6188
	aliasAES256CM32Name = "AES_CM_256_HMAC_SHA1_32"
)

// suites: the name in SDES; master key, salt, tag on RTP and tag on RTCP in bytes.
var suites = [...]struct {
	name                    string
	key, salt, tag, control int
	aead                    bool
}{
	NoSuite:    {name: "none"},
	AEAD128GCM: {"AEAD_AES_128_GCM", 16, 12, 16, 16, true},
	AEAD256GCM: {"AEAD_AES_256_GCM", 32, 12, 16, 16, true},
	AES128CM80: {"AES_CM_128_HMAC_SHA1_80", 16, 14, 10, 10, false},
	AES256CM80: {"AES_256_CM_HMAC_SHA1_80", 32, 14, 10, 10, false},
	AES128CM32: {"AES_CM_128_HMAC_SHA1_32", 16, 14, 4, 10, false},
	AES256CM32: {"AES_256_CM_HMAC_SHA1_32", 32, 14, 4, 10, false},
}

// String is the name in a=crypto.
func (s Suite) String() string {
	if s > lastSuite {
		return "unknown"
	}
	return suites[s].name
}

// KeyBytes is the length of master key and salt together; 0 for an unknown suite.
func (s Suite) KeyBytes() int {
	if s > lastSuite {
		return 0
	}
	return suites[s].key + suites[s].salt
}

// ParseSuite reads the name of a=crypto; false for one that we do not speak.
func ParseSuite(name string) (Suite, bool) {
	switch {
	case strings.EqualFold(name, aliasAES256CM80Name):
		return AES256CM80, true
	case strings.EqualFold(name, aliasAES256CM32Name):
		return AES256CM32, true
	}
	for s := AEAD128GCM; s <= lastSuite; s++ {
		if strings.EqualFold(name, suites[s].name) {
			return s, true
		}
	}
	return NoSuite, false
}

// Keys is what two sides agreed on for one stream. The zero value is none.
type Keys struct {
	Suite Suite
	// Local protects what we send, Remote what the peer sends: master key, then salt.
	Local, Remote Secret
	// RemoteMKI stands before the tag in the peer's packets when its key has one
	// (RFC 4568 6.1, RFC 3711 3.1). Ours never has.
	RemoteMKI []byte
}

// Faults of a packet. They are counted; the peer is told nothing.
var (
	// ErrReplay: the packet was here before, or is too old to know.
	ErrReplay = errors.New("secure: packet seen before")
	// ErrAuth: the tag is not that of the agreed key, or the packet is no SRTP.
	ErrAuth = errors.New("secure: packet fails authentication")
	// ErrSpent: 2^48 packets were sent under one key (RFC 3711 9.2).
	ErrSpent = errors.New("secure: key is used up")
	// ErrKeys: the keys do not fit their suite.
	ErrKeys = errors.New("secure: keys do not fit the suite")
)
