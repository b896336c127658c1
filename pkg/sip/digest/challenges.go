package digest

// Asked is a challenge that a client's requests answer from now on.
type Asked struct {
	Proxy     bool // by Proxy-Authorization
	Challenge Challenge
	NC        uint32 // requests sent with its nonce
}

// Challenges are those that a client answers: one for each proxy and server on the way
// that asked, told apart by realm (RFC 3261 22.3). Plain data; one owner.
type Challenges []Asked

// Field is one header that answers a challenge.
type Field struct{ Name, Value string }

// Bounds of the challenges that one request answers: of all proxies on its way,
// and of one realm (a nonce that went stale meanwhile is answered again).
const (
	maxAnswers      = 8
	maxAnswersRealm = 3
)

// Learn takes the challenges of a 401 or 407, either of which may hold both kinds:
// a forking proxy collects them (RFC 3261 16.7 step 7). www and proxy are the
// values of WWW-Authenticate and Proxy-Authenticate. Of each realm the first that
// we can answer is kept (RFC 8760 2.4). tried is what the request answered in its
// earlier tries; what is learnt is added. An error (ErrNoCommon, ErrMalformed,
// ErrNotDigest, ErrRefused) says that trying again is of no use; nothing changed.
func (c *Challenges) Learn(www, proxy []string, tried *[]string) error {
	var fresh Challenges
	why := error(ErrNoCommon)
	for _, kind := range [...]struct {
		proxy  bool
		values []string
	}{{false, www}, {true, proxy}} {
		for _, v := range kind.values {
			ch, err := ParseChallenge(v)
			if err != nil {
				why = err
				continue
			}
			if len(fresh) < maxAnswers && fresh.find(kind.proxy, ch.Realm) < 0 {
				fresh = append(fresh, Asked{Proxy: kind.proxy, Challenge: ch})
			}
		}
	}
	if len(fresh) == 0 {
		return why
	}
	for _, f := range fresh {
		times := 0
		for _, key := range *tried {
			if key == f.key() {
				times++
			}
		}
		// Asked again for what it was told: a wrong password, unless the nonce had only aged.
		if times >= maxAnswersRealm || times > 0 && !f.Challenge.Stale || len(*tried)+len(fresh) > maxAnswers {
			return ErrRefused
		}
	}
	for _, f := range fresh {
		*tried = append(*tried, f.key())
		if i := c.find(f.Proxy, f.Challenge.Realm); i >= 0 {
			(*c)[i] = f
			continue
		}
		if len(*c) == maxAnswers {
			*c = append((*c)[:0:0], (*c)[1:]...) // the one learnt first may be of a route long gone
		}
		*c = append(*c, f)
	}
	return nil
}

func (f *Asked) key() string {
	if f.Proxy {
		return "proxy " + f.Challenge.Realm
	}
	return "www " + f.Challenge.Realm
}

func (c Challenges) find(proxy bool, realm string) int {
	for i := range c {
		if c[i].Proxy == proxy && c[i].Challenge.Realm == realm {
			return i
		}
	}
	return -1
}

// Answer counts a request and renders the headers that it carries, none before the
// first challenge. cnonce gives fresh randomness without quotes.
func (c Challenges) Answer(user, password, method, uri string, cnonce func() string) []Field {
	if len(c) == 0 {
		return nil
	}
	out := make([]Field, len(c))
	for i := range c {
		c[i].NC++
		out[i] = Field{"Authorization", c[i].Challenge.Answer(user, password, method, uri, cnonce(), c[i].NC)}
		if c[i].Proxy {
			out[i].Name = "Proxy-Authorization"
		}
	}
	return out
}
