package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/centrala/centrala/pkg/api/feed"
	"github.com/centrala/centrala/pkg/auth"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
)

// Live is how a tenant stands now. Events with a higher seq go on from it; those of
// the last moments may be in it already: they carry states, not steps.
type Live struct {
	Seq    uint64      `json:"seq"`
	Now    time.Time   `json:"now"`
	Tenant string      `json:"tenant"`
	Queues []LiveQueue `json:"queues"`
	Agents []LiveAgent `json:"agents"`
	Calls  []cdr.Call  `json:"calls"` // running, oldest first
	Alarms []LiveAlarm `json:"alarms"`
	// RecentFrom is since when the queues' recent figures count: the quarter of an hour
	// before the running one.
	RecentFrom time.Time `json:"recent_from"`
}

// LiveFigures are a queue's figures, by the formulas of the reports: absent where
// there is nothing to divide by.
type LiveFigures struct {
	Entered      int64    `json:"entered"`
	Answered     int64    `json:"answered"`
	Abandoned    int64    `json:"abandoned"`
	Callbacks    int64    `json:"callbacks"`                // asked for
	ServiceLevel *float64 `json:"service_level,omitempty"`  // 0 to 1, service_level.short_excluded
	ASA          *float64 `json:"asa_s,omitempty"`          // seconds
	LongestWait  *float64 `json:"longest_wait_s,omitempty"` // seconds, of all since
}

// LiveLimits are the bounds of a queue's alarms; 0 = none.
type LiveLimits struct {
	Waiting       int   `json:"waiting,omitempty"`
	LongestWaitMs int64 `json:"longest_wait_ms,omitempty"`
	ServiceLevel  int   `json:"service_level,omitempty"` // percent
	Ready         int   `json:"ready,omitempty"`
}

// LiveAlarm is an alarm that is raised (pkg/alarm).
type LiveAlarm struct {
	Alarm  string    `json:"alarm"`
	Queue  string    `json:"queue,omitempty"`
	CallID string    `json:"call_id,omitempty"`
	Value  float64   `json:"value"`
	Limit  float64   `json:"limit"`
	Since  time.Time `json:"since"`
}

// LiveQueue is a queue and who waits in it.
type LiveQueue struct {
	Queue
	DisplayName string      `json:"display_name,omitempty"`
	Callers     []Waiting   `json:"callers"`
	Today       LiveFigures `json:"today"`  // since the tenant's midnight
	Recent      LiveFigures `json:"recent"` // since Live.RecentFrom
	Limits      *LiveLimits `json:"limits,omitempty"`
}

// Waiting is one caller in a queue.
type Waiting struct {
	CallID     string    `json:"call_id"`
	Position   int       `json:"position"`
	Priority   int       `json:"priority"`
	Joined     time.Time `json:"joined"`
	Need       string    `json:"need,omitempty"`
	EstimateMs *int64    `json:"estimate_ms,omitempty"`
	Rings      []string  `json:"rings,omitempty"` // agents whose phones ring for it
	// Callback: nobody is on the line; the id of the callback that stands there.
	Callback string `json:"callback,omitempty"`
}

// LiveAgent is an agent with what a screen counts down.
type LiveAgent struct {
	Agent
	Deadline time.Time `json:"deadline,omitzero"` // of the state, if it should pass
	Taken    int       `json:"taken"`             // calls since log-in
	Notices  int       `json:"notices,omitempty"` // that the agent has not acknowledged
	// Extension is what is dialled to reach the agent's phone.
	Extension string `json:"extension,omitempty"`
	// LastCall and LastQueue are of the call of a queue that the agent talks in or wraps up;
	// DispositionDue: the wrap-up waits for its disposition.
	LastCall       string `json:"last_call,omitempty"`
	LastQueue      string `json:"last_queue,omitempty"`
	DispositionDue bool   `json:"disposition_due,omitempty"`
}

// LiveView may be implemented by the application: the state behind the pages.
type LiveView interface {
	Live(ctx context.Context, tenant string) (Live, error)
	// Changed is closed by the next change of anything that Live shows.
	Changed() <-chan struct{}
}

// Phones may be implemented by the application: it gives browsers credentials.
type Phones interface {
	// PhoneSession makes digest credentials for a device, good no longer than until.
	PhoneSession(ctx context.Context, tenant, device, session string, until time.Time) (PhoneSession, error)
}

// PhoneSession is what a page's phone registers with.
type PhoneSession struct {
	Username string    `json:"username"`
	Password string    `json:"password"`
	Realm    string    `json:"realm"`
	URI      string    `json:"uri"` // sip:USERNAME@HOST
	WS       string    `json:"ws"`  // wss://HOST/sip
	Device   string    `json:"device"`
	Expires  time.Time `json:"expires"`
	// Call is the one that the device's phone has now: a page that was loaded anew takes
	// it over by an INVITE with X-Resume: ID. Nil = none.
	Call *PhoneCall `json:"call,omitempty"`
	// ICEServers are for RTCPeerConnection; none are needed where the node is reached.
	ICEServers []ICEServer `json:"ice_servers"`
}

// PhoneCall is a call that a device's phone has.
type PhoneCall struct {
	ID string `json:"id"`
	// Away: nothing comes from the page that had it. While one is there, another takes
	// its call only when its person wants so.
	Away bool `json:"away"`
}

// ICEServer is a STUN or TURN server (RTCIceServer).
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

func (h *HTTP) liveOperations() []operation {
	return []operation{
		{method: "GET", path: "/live", right: "live.read", own: ownBound, summary: "How queues, agents and calls stand now, with the number of the event to go on from.", out: Live{}, do: h.live},
		{method: "GET", path: "/live/stream", right: "live.read", own: ownBound, summary: "The same, and what changes of it as it does (server-sent events).", content: "text/event-stream", serve: h.liveStream},
		{method: "GET", path: "/events", right: "events.read", own: ownBound, summary: "The journal's events as they come (server-sent events).", content: "text/event-stream", serve: h.events,
			query: []param{{"after", "integer", "Only events behind this number; Last-Event-ID does the same. Left out: from now on."},
				{"kind", "string", "Kinds, separated by commas; call.* is all that begin so."}, {"queue", "string", "Events of this queue and its calls."},
				{"agent", "string", "Events of this agent and its calls."}, {"call", "string", "Events of this call."}}},
		{method: "POST", path: "/phone/session", secret: true, right: "phone.use", own: ownBound, journalled: true, summary: "Credentials for the page's phone, on the device of the user.", out: PhoneSession{}, do: h.phoneSession},
	}
}

func (h *HTTP) live(r *http.Request) (any, error) {
	v, ok := h.app.(LiveView)
	if !ok {
		return nil, ErrNotFound
	}
	l, err := v.Live(r.Context(), tenant(r))
	if err != nil {
		return nil, err
	}
	if isOwn(r) { // an agent sees colleagues' states, the own queues and the own calls
		p := auth.From(r.Context())
		mine := queuesOf(l.Agents, p.Name)
		l.Queues = slices.DeleteFunc(l.Queues, func(q LiveQueue) bool { return !slices.Contains(mine, q.Name) })
		l.Calls = slices.DeleteFunc(l.Calls, func(c cdr.Call) bool { return !partOf(&c, p) })
		for i := range l.Agents {
			if l.Agents[i].Name != p.Name {
				l.Agents[i].Calls = nil
			}
		}
	}
	return l, nil
}

func queuesOf(agents []LiveAgent, name string) []string {
	for _, a := range agents {
		if a.Name == name {
			return a.Queues
		}
	}
	return nil
}

// SetFeed gives the API its stream of events; before a listener serves it.
func (h *HTTP) SetFeed(f *feed.Feed) { h.feed = f }

// Bounds of a stream of events.
const (
	streamPing    = 15 * time.Second       // a comment line: proxies and pages see that it lives
	streamPause   = 100 * time.Millisecond // between two writes: what comes meanwhile goes together
	streamWrite   = 10 * time.Second       // who does not read for so long is cut, and resumes
	streamsOfUser = 12                     // at once: tabs of a browser
)

// streams counts the streams of each user.
type streams struct {
	mu sync.Mutex
	of map[string]int
}

func (s *streams) enter(who string, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[string]int{}
	}
	if s.of[who] >= most {
		return false
	}
	s.of[who]++
	return true
}

func (s *streams) leave(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[who]--; s.of[who] <= 0 {
		delete(s.of, who)
	}
}

// eventFilter is what a listener wants and may see.
type eventFilter struct {
	kinds              []string // exact; with a * at the end: what begins so
	queue, agent, call string
	own                *auth.Principal // own things alone
	ownQueues          []string
}

func (f *eventFilter) matches(fr *feed.Frame) bool {
	if len(f.kinds) > 0 && !slices.ContainsFunc(f.kinds, func(k string) bool {
		begin, any := strings.CutSuffix(k, "*")
		return fr.Kind == k || any && strings.HasPrefix(fr.Kind, begin)
	}) {
		return false
	}
	switch {
	case f.call != "" && fr.CallID != f.call,
		f.queue != "" && fr.Queue != f.queue && !slices.Contains(fr.Queues, f.queue),
		f.agent != "" && fr.Agent != f.agent && !slices.Contains(fr.Agents, f.agent):
		return false
	case f.own == nil:
		return fr.Kind != auditKind // the audit log has a right of its own
	}
	return f.ownSees(fr)
}

var (
	auditKind    = event.Audited{}.Kind()
	agentKind    = event.AgentStateChanged{}.Kind()
	decisionKind = event.Decision{}.Kind()
	enteredKind  = event.QueueEntered{}.Kind()
	leftKind     = event.QueueLeft{}.Kind()
)

// ownSees: states of all colleagues, who comes and goes in the own queues, and the
// own calls.
func (f *eventFilter) ownSees(fr *feed.Frame) bool {
	switch fr.Kind {
	case agentKind:
		return true
	case auditKind, decisionKind:
		return false
	case enteredKind, leftKind:
		if slices.Contains(f.ownQueues, fr.Queue) {
			return true
		}
	}
	return fr.Agent == f.own.Name || slices.Contains(fr.Agents, f.own.Name)
}

// events streams until the listener goes, the session ends or the node stops.
func (h *HTTP) events(w http.ResponseWriter, r *http.Request) {
	if h.feed == nil {
		h.fail(w, r, ErrNotFound, nil)
		return
	}
	q := r.URL.Query()
	f := eventFilter{queue: q.Get("queue"), agent: q.Get("agent"), call: q.Get("call")}
	if k := q.Get("kind"); k != "" {
		if f.kinds = strings.Split(k, ","); len(f.kinds) > 64 {
			h.fail(w, r, fmt.Errorf("%w: kind: more than 64", ErrInvalid), nil)
			return
		}
	}
	at := q.Get("after")
	if id := r.Header.Get("Last-Event-ID"); id != "" { // newer: the browser came back by itself
		at = id
	}
	var after uint64
	if at != "" {
		var err error
		if after, err = strconv.ParseUint(at, 10, 63); err != nil {
			h.fail(w, r, fmt.Errorf("%w: after %q: want the number of an event", ErrInvalid, at), nil)
			return
		}
	}
	p := auth.From(r.Context())
	if isOwn(r) {
		f.own = p
		if v, ok := h.app.(LiveView); ok {
			if l, err := v.Live(r.Context(), tenant(r)); err == nil {
				f.ownQueues = queuesOf(l.Agents, p.Name)
			}
		}
	}
	stream, ok := h.openStream(w, r)
	if !ok {
		return
	}
	defer stream.close()
	ctx, write := stream.ctx, stream.write
	l := h.feed.Listen(tenant(r), after)
	defer l.Close()
	pause := time.NewTimer(streamPause)
	defer pause.Stop()
	for last := time.Now(); ; {
		if l.Behind() {
			l.Skip()
			if !write(fmt.Appendf(nil, "id: %d\nevent: reset\ndata: {\"seq\":%d}\n\n", l.At(), l.At())) || !stream.flush() {
				return
			}
		}
		frames, err := l.Next(ctx, streamPing, f.matches)
		if err != nil {
			return
		}
		for _, fr := range frames {
			if !write(fr.SSE) {
				return
			}
		}
		if len(frames) == 0 && time.Since(last) < streamPing {
			continue
		}
		if time.Since(last) >= streamPing {
			last = time.Now()
			if !h.alive(p) || !write([]byte(": ping\n\n")) {
				return
			}
		}
		if !stream.flush() {
			return
		}
		// Thousands of listeners are woken by each commit of the journal; an event more or
		// less in one write costs nothing, a write does. Who catches up does not wait.
		if len(frames) < 64 {
			pause.Reset(streamPause)
			select {
			case <-ctx.Done():
				return
			case <-pause.C:
			}
		}
	}
}

// alive: the session that began a long answer has not ended meanwhile.
func (h *HTTP) alive(p *auth.Principal) bool {
	if p.Local || h.auth == nil {
		return true
	}
	return h.auth.Live(p)
}

func (h *HTTP) phoneSession(r *http.Request) (any, error) {
	p := auth.From(r.Context())
	v, ok := h.app.(Phones)
	web, isWeb := r.Context().Value(webKey{}).(*webRequest)
	switch {
	case !ok || !isWeb || web.web.cfg.Phone == nil:
		return nil, fmt.Errorf("%w: there are no browser phones here; see media.webrtc and web in the node file", ErrConflict)
	case p.Session == "":
		return nil, errSignIn
	case p.Device == "":
		return nil, fmt.Errorf("%w: the user %q has no device", ErrConflict, p.Name)
	}
	s, err := v.PhoneSession(r.Context(), p.Tenant, p.Device, p.Session, p.Expires)
	if err != nil {
		return nil, err
	}
	host := r.Host
	if u := web.web.cfg.PublicURL; u != nil && !web.loopback {
		host = u.Host
	}
	s.URI, s.WS = "sip:"+s.Username+"@"+host, "ws"+strings.TrimPrefix(web.origin, "http")+"/sip"
	return s, nil
}
