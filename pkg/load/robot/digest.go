package robot

import (
	"crypto/md5" //nolint:gosec // RFC 3261 22.4 digest; SHA-256 is preferred when offered
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Algorithm forces which digest the client answers with. Any takes the
// strongest offered (RFC 8760 2.4).
type Algorithm string

const (
	Any    Algorithm = ""
	MD5    Algorithm = "MD5"
	SHA256 Algorithm = "SHA-256"
)

// challenge is one WWW-Authenticate or Proxy-Authenticate value.
type challenge struct {
	realm, nonce, opaque, algorithm, qop string
	stale                                bool
}

// parseChallenge reads `Digest realm="x", nonce="y", ...`.
func parseChallenge(v string) (challenge, bool) {
	rest, ok := strings.CutPrefix(v, "Digest ")
	if !ok {
		return challenge{}, false
	}
	c := challenge{algorithm: "MD5"} // RFC 2617 3.2.1: absent means MD5
	for rest != "" {
		rest = strings.TrimLeft(rest, " ,\t")
		k, after, ok := strings.Cut(rest, "=")
		if !ok {
			break
		}
		var val string
		if strings.HasPrefix(after, `"`) {
			end := strings.IndexByte(after[1:], '"')
			if end < 0 {
				return challenge{}, false
			}
			val, rest = after[1:1+end], after[2+end:]
		} else {
			val, rest, _ = strings.Cut(after, ",")
			val = strings.TrimSpace(val)
		}
		switch strings.ToLower(strings.TrimSpace(k)) {
		case "realm":
			c.realm = val
		case "nonce":
			c.nonce = val
		case "opaque":
			c.opaque = val
		case "algorithm":
			c.algorithm = val
		case "qop":
			c.qop = val
		case "stale":
			c.stale = strings.EqualFold(val, "true")
		}
	}
	return c, c.nonce != ""
}

// pick chooses among several challenges.
func pick(values []string, want Algorithm) (challenge, error) {
	var best challenge
	found := false
	for _, v := range values {
		c, ok := parseChallenge(v)
		if !ok {
			continue
		}
		alg := strings.ToUpper(c.algorithm)
		if alg != "MD5" && alg != "SHA-256" {
			continue
		}
		if want != Any && alg != string(want) {
			continue
		}
		if !found || alg == "SHA-256" {
			best, found = c, true
		}
	}
	if !found {
		return best, fmt.Errorf("robot: no digest challenge with algorithm %q among %q", want, values)
	}
	return best, nil
}

// answer makes the value of an Authorization header (RFC 7616 3.4). nc is the
// count of uses of this nonce, from 1.
func (c challenge) answer(user, password, method, uri string, nc uint32) string {
	sum := func(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) } //nolint:gosec
	if strings.EqualFold(c.algorithm, "SHA-256") {
		sum = func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	}
	ha1 := sum(user + ":" + c.realm + ":" + password)
	ha2 := sum(method + ":" + uri)
	var b strings.Builder
	fmt.Fprintf(&b, `Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=%s`, user, c.realm, c.nonce, uri, c.algorithm)
	if hasToken(c.qop, "auth") {
		var raw [8]byte
		_, _ = rand.Read(raw[:])
		cnonce := hex.EncodeToString(raw[:])
		count := fmt.Sprintf("%08x", nc)
		fmt.Fprintf(&b, `, response="%s", qop=auth, nc=%s, cnonce="%s"`,
			sum(ha1+":"+c.nonce+":"+count+":"+cnonce+":auth:"+ha2), count, cnonce)
	} else {
		fmt.Fprintf(&b, `, response="%s"`, sum(ha1+":"+c.nonce+":"+ha2))
	}
	if c.opaque != "" {
		fmt.Fprintf(&b, `, opaque="%s"`, c.opaque)
	}
	return b.String()
}

func hasToken(list, want string) bool {
	for t := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(t), want) {
			return true
		}
	}
	return false
}
