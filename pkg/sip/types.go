package sip

import (
	"io"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/sip/dialog"
	"github.com/centrala/centrala/pkg/sip/registrar"
	"github.com/centrala/centrala/pkg/sip/transaction"
)

// Config is what the stack is built from. Nothing of it changes later.
type Config struct {
	Listeners []Listener
	Timers    transaction.Timers // zero fields: RFC 3261
	Limits    Limits             // zero fields: DefaultLimits
	UserAgent string             // User-Agent and Server; "" sends none
	Realm     string             // digest realm; "" = "centrala"
	Rand      io.Reader          // tags, branches, Call-IDs, nonces; nil = crypto/rand. Read once, for seeds, in New
	Shards    int                // owner goroutines; 0 = GOMAXPROCS
	// MinExpires, DefaultExpires and MaxExpires bound a registration; zero: 60 s, 5 min, 1 h.
	MinExpires, DefaultExpires, MaxExpires time.Duration

	Defence Defence
	// SessionExpires is the session timer asked for in calls both ways, and the
	// longest taken (RFC 4028); 0: none asked, any taken. MinSE is the shortest; 0 = 90 s.
	SessionExpires, MinSE time.Duration
	// ReliableProvisionals sends early media reliably to peers that support it (RFC
	// 3262); those that require it get it in any case.
	ReliableProvisionals bool

	ClientTLS ClientTLS // connections that we open
	ACME      ACME      // no hosts: off
	Keepalive Keepalive // zero fields: defaults

	net network // tests put an in-memory network here
}

// Listener is one socket to serve.
type Listener struct {
	Transport  string         // "udp", "tcp", "tls", "ws" or "wss"
	Addr       netip.AddrPort // port 0: the system chooses, see LocalAddr
	TLS        TLS            // tls, wss
	WebSocket  WebSocket      // ws, wss
	Advertised string         // host[:port] written into Via and Contact; "" = the address bound
}

// Limits bound what strangers can make us hold. Zero means the default.
type Limits struct {
	MaxMessageBytes          int           // 65535, over UDP and TCP
	MaxHeaderBytes           int           // start line and headers together, 16384
	MaxHeaders               int           // header lines, 128
	MaxBodyBytes             int           // 49152
	MaxURIBytes              int           // Request-URI, 2048; longer gets 414
	MaxConnections           int           // TCP, 10000
	MaxConnectionsPerIP      int           // TCP, 100
	MaxTransactions          int           // 200000 over all shards; beyond: 503
	MaxTransactionsPerSource int           // of one address's devices and strangers, 50000; beyond: 503
	MaxDialogs               int           // 20000; beyond: 503
	MaxDialogsPerSource      int           // calls in of one address's devices, 500; trunks have their own cap; beyond: 503
	FirstMessageTimeout      time.Duration // TCP: from accept to the first whole message, 10 s
	MessageTimeout           time.Duration // TCP: from a message's first byte to its last, 10 s
	IdleTimeout              time.Duration // TCP: without a byte from the peer, 10 min
}

// WithDefaults fills zero and negative fields.
func (l Limits) WithDefaults() Limits {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	dur := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	def(&l.MaxMessageBytes, 65535)
	def(&l.MaxHeaderBytes, 16384)
	def(&l.MaxHeaders, 128)
	def(&l.MaxBodyBytes, 49152)
	def(&l.MaxURIBytes, 2048)
	def(&l.MaxConnections, 10000)
	def(&l.MaxConnectionsPerIP, 100)
	def(&l.MaxTransactions, 200000)
	def(&l.MaxTransactionsPerSource, 50000)
	def(&l.MaxDialogs, 20000)
	def(&l.MaxDialogsPerSource, 500)
	dur(&l.FirstMessageTimeout, 10*time.Second)
	dur(&l.MessageTimeout, 10*time.Second)
	dur(&l.IdleTimeout, 10*time.Minute)
	return l
}

// Deps are the stack's neighbours. Accounts and Handler are required.
type Deps struct {
	Log        *zap.Logger           // nil: silent
	Registerer prometheus.Registerer // nil: metrics are kept but shown nowhere
	Accounts   Accounts
	Trunks     TrunkMatcher    // nil: no trunks
	Bindings   registrar.Store // nil: bindings do not outlive the process
	// Subscriptions keeps who watches whom; nil: they do not outlive the process.
	Subscriptions SubscriptionStore
	Memory        Memory // nil: bans, brakes and nonces do not either
	// Urgent reports a number that is called in need: such calls are taken when a
	// busy node refuses others. nil: none. Fast, in memory.
	Urgent func(dialled string) bool
	// Backlog is the share of its room, 0..1, that what calls have left to be written
	// takes: new calls are shed before they would wait for it. nil: nothing waits. Fast.
	Backlog func() float64
	Handler Handler
}

// Accounts gives the secrets of devices. It is called on SIP goroutines: fast, in memory.
type Accounts interface {
	// Account returns the device account of username in the domain dialled.
	// ok=false: unknown; the stack still challenges and takes as long.
	Account(username, domain string) (Account, bool)
}

// StaticContacts may be implemented by Accounts: the fixed contact URI of a
// device that does not register, or "".
type StaticContacts interface {
	StaticContact(tenant, device string) string
}

// TrunkMatcher tells whether a source address belongs to a trunk. Fast, in memory.
type TrunkMatcher interface {
	MatchTrunk(src netip.AddrPort) (tenant, trunk string, ok bool)
}

// Account is a device that may register and call.
type Account struct {
	Tenant, Device, Username string
	HA1MD5, HA1SHA256        string // hex of H(user:realm:password); "" = that algorithm is not offered to it
	Contact                  string // static contact URI or ""
	MaxContacts              int    // bindings at once; 0 = 10
	Trunk                    string // not a device but this trunk: it may call in, and nothing else
}

// Target is where a request can be sent.
type Target struct {
	URI       string         // Request-URI
	Transport string         // "udp", "tcp", "tls", "ws" or "wss"
	Addr      netip.AddrPort // invalid: the URI's host is resolved at Dial
	Conn      uint64         // the connection that a registration came by, 0 none
	Routes    []string       // preloaded route set: the Path of a registration (RFC 3327)
	// ServerName is what a TLS peer must prove; "" = the URI's host.
	ServerName string
	// Backup are other flows of the same phone (RFC 5626 7.2), tried in turn when
	// the first is gone; it must not ring by two of them at once.
	Backup []Target

	flow    bool         // nothing but the connection (or the source address) leads there
	binding registrar.ID // of a registration; zero for others
}

// DialRequest is an outgoing call.
type DialRequest struct {
	Target                 Target
	From, To               Address
	SDP                    []byte // nil = late offer
	CallID                 string // our call id, for the log; not the SIP Call-ID
	Headers                []Header
	AuthUser, AuthPassword string        // answered once per challenge
	RingTimeout            time.Duration // CANCEL when no final answer; 0 = 180 s
	// TryTimeout bounds how long one address may say nothing at all: then the next
	// address of the target is called, or Failed with 408. 0 = 64*T1 (timer B).
	TryTimeout time.Duration
	// Tenant and, by Kind, the device or trunk called: who in the same tenant may
	// take over this call by Replaces. Tenant "" = nobody.
	Tenant, Name string
	Kind         IdentityKind
	// Secure: the caller's Request-URI was sips, so this leg goes by TLS or not at all
	// (RFC 3261 26.2.2): Failed with 480. A target that is sips asks for the same.
	Secure bool
	// Urgent: an emergency call, made although there are too many dialogs.
	Urgent bool
	// Near is another dialog of the same call, or nil: the new one gets a Call-ID
	// that leads to the same owner, which then need not wake another.
	Near *Dialog
}

// Address is a display name and a SIP address without parameters.
type Address = dialog.Address

// Header is an extra header; CR, LF and NUL in it are refused.
type Header = dialog.Header

// Handler is told of calls and registrations. Its methods must not block.
type Handler interface {
	// Invite is told of each new INVITE that passed caps, syntax and
	// authentication, on the dialog's goroutine.
	Invite(in *Invitation)
	// Registered tells that a device gained its first or lost its last binding.
	Registered(tenant, device string, up bool)
}

// IdentityKind says how an INVITE's sender is known. A stranger has no kind: the
// stack challenges or refuses it.
type IdentityKind int

// Kinds of identity.
const (
	IdentityDevice IdentityKind = iota // digest proved
	IdentityTrunk                      // source address
)

// String is the kind's name for logs.
func (k IdentityKind) String() string {
	if k == IdentityTrunk {
		return "trunk"
	}
	return "device"
}

// Invitation is a new incoming call.
type Invitation struct {
	Dialog       *Dialog
	Kind         IdentityKind
	Tenant, Name string // device or trunk name
	From, To     Address
	Dialled      string // Request-URI user, unescaped, printable ASCII, at most 64 bytes
	SDP          []byte // nil: the caller wants our offer
	SIPCallID    string
	Source       netip.AddrPort
	Transport    string
	Secure       bool   // the Request-URI was sips: every further leg has to be Secure
	Trace        string // X-Trace-ID style id of the peer, "" none
	Header       func(name string) string
	Headers      func(name string) []string // every line of that name, at most 16
	Replaces     *ReplacedDialog            // the call that this one shall take the place of, nil: none
}

// Events of a dialog, re-exported so that users need not import pkg/sip/dialog.
type (
	DialogEvent          = dialog.DialogEvent
	Progressed           = dialog.Progressed
	Answered             = dialog.Answered
	Failed               = dialog.Failed
	Confirmed            = dialog.Confirmed
	RemoteOffer          = dialog.RemoteOffer
	RemoteOfferCancelled = dialog.RemoteOfferCancelled
	ReofferAnswered      = dialog.ReofferAnswered
	ReofferFailed        = dialog.ReofferFailed
	InfoReceived         = dialog.InfoReceived
	Referred             = dialog.Referred
	ReferTold            = dialog.ReferTold
	Ended                = dialog.Ended
	EndCause             = dialog.EndCause
)

// Causes of an end.
const (
	EndLocal     = dialog.EndLocal
	EndRemote    = dialog.EndRemote
	EndCancelled = dialog.EndCancelled
	EndTimeout   = dialog.EndTimeout
	EndTransport = dialog.EndTransport
	EndRejected  = dialog.EndRejected
)
