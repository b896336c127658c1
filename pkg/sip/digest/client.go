package digest

import (
	"fmt"
	"strings"
)

// Challenge is one WWW-Authenticate or Proxy-Authenticate header.
type Challenge struct {
	Realm, Nonce, Opaque string
	Algorithm            Algorithm
	NamedAlgorithm       bool // the challenge named it; then the answer does
	QOPAuth              bool // qop holds "auth"; without qop at all RFC 2069 compatibility
	Stale                bool
}

// ParseChallenge reads one challenge. ErrNoCommon when we cannot answer it
// (another algorithm, or only qop=auth-int).
func ParseChallenge(v string) (Challenge, error) {
	var c Challenge
	var alg, qop string
	hasQOP := false
	err := eachParam(v, func(name, val string) bool {
		switch {
		case strings.EqualFold(name, "realm"):
			c.Realm = val
		case strings.EqualFold(name, "nonce"):
			c.Nonce = val
		case strings.EqualFold(name, "opaque"):
			c.Opaque = val
		case strings.EqualFold(name, "algorithm"):
			alg, c.NamedAlgorithm = val, true
		case strings.EqualFold(name, "qop"):
			qop, hasQOP = val, true
		case strings.EqualFold(name, "stale"):
			c.Stale = strings.EqualFold(val, "true")
		}
		return true
	})
	if err != nil {
		return c, err
	}
	if c.Nonce == "" {
		return c, fmt.Errorf("%w: challenge without nonce", ErrMalformed)
	}
	var ok bool
	if c.Algorithm, ok = parseAlgorithm(alg); !ok {
		return c, ErrNoCommon
	}
	if hasQOP {
		for q := range strings.SplitSeq(qop, ",") {
			if strings.EqualFold(strings.TrimSpace(q), "auth") {
				c.QOPAuth = true
			}
		}
		if !c.QOPAuth {
			return c, ErrNoCommon
		}
	}
	return c, nil
}

// Answer renders the Authorization or Proxy-Authorization value for a challenge.
// cnonce is fresh randomness of the caller's (no quotes), nc counts the requests
// sent with this nonce from 1; both are unused without qop.
func (c Challenge) Answer(user, password, method, uri, cnonce string, nc uint32) string {
	var ncText, qop string
	if c.QOPAuth {
		qop, ncText = "auth", fmt.Sprintf("%08x", nc)
	}
	ha1 := HA1(c.Algorithm, user, c.Realm, password)
	b := make([]byte, 0, 320)
	b = append(b, "Digest username="...)
	b = quote(b, user)
	b = append(b, ", realm="...)
	b = quote(b, c.Realm)
	b = append(b, ", nonce="...)
	b = quote(b, c.Nonce)
	b = append(b, ", uri="...)
	b = quote(b, uri)
	b = append(b, `, response="`...)
	b = response(b, c.Algorithm, ha1, c.Nonce, ncText, cnonce, qop, method, uri)
	b = append(b, '"')
	if c.NamedAlgorithm {
		b = append(b, ", algorithm="...)
		b = append(b, c.Algorithm.String()...)
	}
	if qop != "" {
		b = append(b, ", cnonce="...)
		b = quote(b, cnonce)
		b = append(b, ", qop=auth, nc="...) // qop and nc are tokens, RFC 7616 3.4
		b = append(b, ncText...)
	}
	if c.Opaque != "" {
		b = append(b, ", opaque="...)
		b = quote(b, c.Opaque)
	}
	return string(b)
}
