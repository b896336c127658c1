// Package digest is HTTP digest access authentication as SIP uses it (RFC 3261
// 22, RFC 7616, RFC 8760): the server's nonces and checks, and the client's
// answers. It knows no accounts and sends nothing. Pure: time and randomness
// are passed in. A Server keeps a bounded replay window and has one owner.
package digest

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// Algorithm is a digest algorithm of RFC 8760 that we take.
type Algorithm uint8

// Algorithms. SHA-256 is offered first: RFC 8760 2.1, order is preference.
const (
	MD5 Algorithm = iota
	SHA256
)

// String is the algorithm's name on the wire.
func (a Algorithm) String() string {
	if a == SHA256 {
		return "SHA-256"
	}
	return "MD5"
}

// size is the length of the hash in hex digits.
func (a Algorithm) size() int {
	if a == SHA256 {
		return 2 * sha256.Size
	}
	return 2 * md5.Size
}

// hash appends H(parts joined by ':') in hex.
func (a Algorithm) hash(dst []byte, parts ...string) []byte {
	var buf [512]byte
	in := buf[:0]
	for i, p := range parts {
		if i > 0 {
			in = append(in, ':')
		}
		in = append(in, p...)
	}
	if a == SHA256 {
		s := sha256.Sum256(in)
		return hex.AppendEncode(dst, s[:])
	}
	s := md5.Sum(in)
	return hex.AppendEncode(dst, s[:])
}

// HA1 is hex(H(user:realm:password)), what an account keeps instead of the password.
func HA1(a Algorithm, user, realm, password string) string {
	return string(a.hash(nil, user, realm, password))
}

// response computes request-digest (RFC 7616 3.4.1; without qop RFC 2617 3.2.2.1).
func response(dst []byte, a Algorithm, ha1, nonce, nc, cnonce, qop, method, uri string) []byte {
	var b [2 * sha256.Size]byte
	ha2 := string(a.hash(b[:0], method, uri))
	if qop == "" {
		return a.hash(dst, ha1, nonce, ha2)
	}
	return a.hash(dst, ha1, nonce, nc, cnonce, qop, ha2)
}

// Faults of a header.
var (
	ErrNotDigest    = errors.New("digest: not a Digest header")
	ErrMalformed    = errors.New("digest: malformed header")
	ErrNoCommon     = errors.New("digest: no challenge with an algorithm and qop we know")
	ErrRefused      = errors.New("digest: the credentials were refused")
	errUnterminated = errors.New("digest: quoted string without end")
)

// maxParams bounds the parameters of one header.
const maxParams = 32

// eachParam calls f for each name=value of a Digest header; values are unquoted,
// names as written. A repeated name is a fault: two nonces must not mean two things.
func eachParam(v string, f func(name, value string) bool) error {
	v = strings.TrimSpace(v)
	if len(v) < 7 || !strings.EqualFold(v[:6], "Digest") || (v[6] != ' ' && v[6] != '\t') {
		return ErrNotDigest
	}
	v = v[7:]
	var seen [maxParams]string
	for n := 0; ; {
		v = strings.TrimLeft(v, " \t,\r\n")
		if v == "" {
			return nil
		}
		eq := strings.IndexByte(v, '=')
		if eq <= 0 || n == maxParams {
			return ErrMalformed
		}
		name := strings.TrimRight(v[:eq], " \t")
		if name == "" || strings.ContainsAny(name, " \t,\"") {
			return ErrMalformed
		}
		for _, s := range seen[:n] {
			if strings.EqualFold(s, name) {
				return ErrMalformed
			}
		}
		seen[n] = name
		n++
		v = strings.TrimLeft(v[eq+1:], " \t\r\n")
		var val string
		if v != "" && v[0] == '"' {
			end, esc := 1, false
			for ; end < len(v) && v[end] != '"'; end++ {
				if v[end] == '\\' {
					esc = true
					end++
				}
			}
			if end >= len(v) {
				return errUnterminated
			}
			val = v[1:end]
			if esc {
				val = unescape(val)
			}
			v = strings.TrimLeft(v[end+1:], " \t\r\n")
			if v != "" && v[0] != ',' {
				return ErrMalformed
			}
		} else {
			end := strings.IndexByte(v, ',')
			if end < 0 {
				end = len(v)
			}
			val = strings.TrimRight(v[:end], " \t\r\n")
			v = v[end:]
		}
		if !f(name, val) {
			return ErrMalformed
		}
	}
}

// unescape resolves quoted-pairs.
func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// quote appends s as a quoted-string; control characters are dropped so that no
// text can end a header line.
func quote(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= ' ' && c != 0x7f:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// parseAlgorithm reads an algorithm token; "" is MD5 (RFC 7616 3.3).
func parseAlgorithm(s string) (Algorithm, bool) {
	switch {
	case s == "" || strings.EqualFold(s, "MD5"):
		return MD5, true
	case strings.EqualFold(s, "SHA-256"):
		return SHA256, true
	}
	return 0, false
}
