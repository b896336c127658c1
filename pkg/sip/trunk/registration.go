package trunk

import (
	"errors"
	"fmt"
	"time"

	"github.com/centrala/centrala/pkg/sip/digest"
)

// RegistrationConfig is what a Registration is built from.
type RegistrationConfig struct {
	URI            string        // Request-URI, for the digest
	User, Password string        // digest; "" = none
	Expires        time.Duration // asked for; 0 = 10 min
	// Base and Most bound the waits after failures; 0 = 30 s and 30 min (RFC 5626
	// 4.5: base-time when all flows have failed, max-time).
	Base, Most time.Duration
	Rand       func() uint64
	CNonce     func() string // fresh, no quotes
}

// State is where a Registration or Health stands.
type State uint8

// States of a Registration.
const (
	Idle       State = iota
	Trying           // a REGISTER is open, nothing is registered
	Registered       // the next refresh is set
	Refreshing       // a REGISTER is open, the last one still holds
	Waiting          // a try failed; the next one is set (what was granted may still hold)
	Closing          // the REGISTER with Expires 0 is open
	Ended
)

var stateNames = [...]string{"idle", "trying", "registered", "refreshing", "waiting", "closing", "ended"}

// String is the state's name for logs and status.
func (s State) String() string { return stateNames[s] }

// Registration keeps us registered with a carrier. Its owner alone calls Step.
type Registration struct {
	cfg RegistrationConfig

	state    State
	cseq     uint32
	open     bool // a request is open
	asked    time.Duration
	until    time.Time // what was granted holds until then; zero = nothing
	nextTry  time.Time
	failures int  // in a row
	briefs   int  // 423s of this attempt
	good     bool // as last told

	challenges digest.Challenges
	tried      []string // those answered in this attempt

	out []Effect
	now time.Time
}

// maxBrief bounds the 423s of one attempt; its challenges are bounded by digest.
const maxBrief = 3

// maxExpires is a day: what a registrar may grant or ask at most (RFC 3261 sets
// no bound; 2^32 s is somebody's mistake).
const maxExpires = 24 * time.Hour

// NewRegistration makes a machine; Begin starts it.
func NewRegistration(cfg RegistrationConfig) *Registration {
	if cfg.Expires <= 0 {
		cfg.Expires = 10 * time.Minute
	}
	if cfg.Base <= 0 {
		cfg.Base = 30 * time.Second
	}
	if cfg.Most <= 0 {
		cfg.Most = 30 * time.Minute
	}
	return &Registration{cfg: cfg, asked: cfg.Expires}
}

// State is where the machine stands.
func (r *Registration) State() State { return r.state }

// Until is when what the registrar granted ends; zero when nothing holds.
func (r *Registration) Until() time.Time { return r.until }

// Step takes one event and returns what to do, good until the next Step.
func (r *Registration) Step(now time.Time, ev Event) []Effect {
	r.out, r.now = r.out[:0], now
	switch ev := ev.(type) {
	case Begin:
		if r.state == Idle {
			r.attempt()
		}
	case Answer:
		if r.open && ev.CSeq == r.cseq { // else an answer to what we gave up
			r.open = false
			r.answered(ev)
		}
	case Lost:
		if r.open && ev.CSeq == r.cseq {
			r.open = false
			r.lost(ev)
		}
	case TimerFired:
		r.fired()
	case Close:
		r.close()
	}
	return r.out
}

func (r *Registration) do(e Effect) { r.out = append(r.out, e) }

// attempt begins anew; what is registered stays so meanwhile.
func (r *Registration) attempt() {
	r.briefs, r.tried = 0, nil
	if r.holds() {
		r.state = Refreshing
		// Should the answer stay out for longer than what was granted.
		r.do(SetTimer{r.until.Sub(r.now)})
	} else {
		r.state = Trying
		r.do(StopTimer{})
	}
	r.send(r.asked)
}

func (r *Registration) holds() bool { return r.now.Before(r.until) }

func (r *Registration) send(expires time.Duration) {
	r.cseq++
	r.open = true
	r.do(Send{CSeq: r.cseq, Expires: expires.Round(time.Second),
		Auth: r.challenges.Answer(r.cfg.User, r.cfg.Password, "REGISTER", r.cfg.URI, r.cfg.CNonce)})
}

func (r *Registration) answered(a Answer) {
	switch {
	case a.Code == 401 || a.Code == 407:
		if err := r.learn(a); err != nil {
			r.refused(a, err.Error())
			return
		}
		r.again()
		return
	case r.state == Closing: // 200, or whatever: it is not worth a second try
		r.end()
		return
	case a.Code == 423 && a.MinExpires > r.asked && a.MinExpires <= maxExpires && r.briefs < maxBrief:
		// RFC 3261 10.2.8. What it wants is asked for from now on.
		r.asked = a.MinExpires
		r.briefs++
		r.again()
		return
	case a.Code/100 == 2:
		r.accepted(a)
		return
	}
	r.refused(a, "")
}

// again sends the attempt's request once more, changed.
func (r *Registration) again() {
	expires := r.asked
	if r.state == Closing {
		expires = 0
	}
	r.send(expires)
}

var errCredentials = errors.New("check auth_user and auth_password")

// learn keeps the challenges (RFC 3261 22.2, 22.3); an error when we cannot answer
// them, or did in vain.
func (r *Registration) learn(a Answer) error {
	if r.cfg.User == "" {
		return errors.New("it wants credentials; set auth_user and auth_password")
	}
	switch err := r.challenges.Learn(a.Challenges, a.ProxyChallenges, &r.tried); {
	case errors.Is(err, digest.ErrRefused):
		r.challenges = nil
		return errCredentials
	case err != nil:
		return fmt.Errorf("its challenge cannot be answered: %w", err)
	}
	return nil
}

func (r *Registration) accepted(a Answer) {
	granted := min(a.Expires, maxExpires)
	if granted <= 0 {
		// A 200 that does not name our contact holds no binding of ours.
		a.Code = 0
		r.refused(a, "the registrar accepted but did not keep our contact")
		return
	}
	r.state, r.failures = Registered, 0
	r.until = r.now.Add(granted)
	// Between 80 and 90 %: early enough for a few tries, and not all lines at once.
	after := granted*8/10 + scale(granted/10, r.cfg.Rand())
	r.nextTry = r.now.Add(after)
	r.do(SetTimer{after})
	r.tell(true, 0, "")
}

// refused: the registrar said no. What it granted before is not trusted any
// more, unless it is only out of breath (5xx).
func (r *Registration) refused(a Answer, why string) {
	text := why
	if a.Code > 0 {
		text = fmt.Sprintf("%d %s", a.Code, a.Reason)
		if why != "" {
			text += "; " + why
		}
	}
	if r.state == Closing {
		r.end()
		return
	}
	if a.Code/100 != 5 {
		r.until = time.Time{}
	}
	r.failed(a.Code, "registration refused: "+text, min(a.RetryAfter, r.cfg.Most))
}

func (r *Registration) lost(l Lost) {
	if r.state == Closing {
		r.end()
		return
	}
	r.failed(0, "registration failed: "+l.Reason, 0)
}

func (r *Registration) failed(code int, reason string, atLeast time.Duration) {
	r.failures++
	wait := max(Backoff(r.cfg.Base, r.cfg.Most, r.failures-1, r.cfg.Rand()), atLeast)
	r.state, r.nextTry = Waiting, r.now.Add(wait)
	r.do(Failed{Code: code, Reason: reason, Next: wait})
	if !r.holds() {
		r.until = time.Time{}
		r.tell(false, code, reason)
	}
	r.arm()
}

// arm sets the timer to the next try, or the end of what was granted before it.
func (r *Registration) arm() {
	at := r.nextTry
	if r.holds() && r.until.Before(at) {
		at = r.until
	}
	r.do(SetTimer{at.Sub(r.now)})
}

func (r *Registration) fired() {
	if !r.until.IsZero() && !r.holds() {
		r.until = time.Time{}
		r.tell(false, 0, "registration expired")
		if r.state == Refreshing {
			r.state = Trying
		}
	}
	switch r.state {
	case Registered, Waiting:
		if r.now.Before(r.nextTry) {
			r.arm()
			return
		}
		r.attempt()
	case Idle, Trying, Refreshing, Closing, Ended: // an answer, or nothing, is awaited
	}
}

func (r *Registration) close() {
	switch r.state {
	case Closing, Ended:
		return
	}
	bound := r.holds() || r.open // an open request may yet have been granted
	r.do(StopTimer{})
	r.state, r.until = Closing, time.Time{}
	if !bound {
		r.end()
		return
	}
	r.briefs, r.tried = 0, nil
	r.send(0) // RFC 3261 10.2.2
}

func (r *Registration) end() {
	r.state = Ended
	r.tell(false, 0, "closed")
	r.do(Closed{})
}

// tell passes on a change, and the first bad news too.
func (r *Registration) tell(good bool, code int, reason string) {
	if r.good != good || !good && r.failures == 1 {
		r.good = good
		r.do(Changed{Good: good, Code: code, Reason: reason})
	}
}
