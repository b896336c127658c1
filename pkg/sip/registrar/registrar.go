// Package registrar keeps the bindings of RFC 3261 10.3: which device is
// reachable where, until when. It is not the location of calls and sends
// nothing: the owner in pkg/sip passes each REGISTER that proved its identity,
// writes the answer, and hands the changes to a Store in batches. Pure and not
// safe for concurrent use: it has one owner.
package registrar

import (
	"context"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Key names the address of record: a device of a tenant.
type Key struct{ Tenant, Device string }

// ID names one binding for good. Contact is the URI compared as text after
// lower-casing scheme and host, or "instance#reg-id" for RFC 5626 clients.
type ID struct {
	Key
	Contact string
}

// Flow is how the REGISTER reached us, and so how requests reach the device
// through its NAT.
type Flow struct {
	Transport string         // "udp", "tcp"
	Local     netip.AddrPort // listener it came to
	Remote    netip.AddrPort // source address of the packet or connection
	Conn      uint64         // connection of the stack, 0 for UDP; not valid after a restart
}

// Binding is one contact of a device. Plain data, as stored.
type Binding struct {
	ID
	URI        string // Contact URI as the device wrote it
	Params     string // Contact parameters to echo, without expires ("" or ";a=b...")
	CallID     string // of the REGISTER
	CSeq       uint32
	Q          int // 0..1000
	Instance   string
	RegID      uint32
	Path       []string // RFC 3327 Path URIs, topmost first
	UserAgent  string
	Flow       Flow
	Registered time.Time // last refresh
	Expires    time.Time
}

// Store keeps bindings over a restart. Calls are batched by the owner and come
// from one goroutine of its own.
type Store interface {
	// SaveBindings inserts or replaces by ID.
	SaveBindings(ctx context.Context, b []Binding) error
	// DeleteBindings removes by ID; unknown ones are no error.
	DeleteBindings(ctx context.Context, ids []ID) error
	// LoadBindings returns all, expired ones included.
	LoadBindings(ctx context.Context) ([]Binding, error)
}

// Config bounds what devices may ask for.
type Config struct {
	MinExpires     time.Duration // shorter (but not 0) gets 423; 0 = 60 s
	MaxExpires     time.Duration // longer is cut; 0 = 3600 s
	DefaultExpires time.Duration // when the REGISTER names none; 0 = 3600 s, at most MaxExpires
	MaxContacts    int           // per device unless Request.MaxContacts says; 0 = 5
	MaxBindings    int           // of all devices; 0 = 1,000,000
}

// Contact is one Contact of a REGISTER.
type Contact struct {
	URI      string
	Match    string // ID.Contact
	Params   string
	Expires  int64 // seconds; -1 not given
	Q        int
	Instance string
	RegID    uint32
}

// Request is a REGISTER reduced to what the registrar needs.
type Request struct {
	Key
	CallID      string
	CSeq        uint32
	Contacts    []Contact
	Wildcard    bool
	Expires     int64 // Expires header, seconds; -1 not given
	Path        []string
	UserAgent   string
	Flow        Flow
	MaxContacts int // 0 = Config.MaxContacts
}

// Read reduces a REGISTER to a Request. Refused is 0, or the status to answer
// with (400 malformed or wildcard misuse, 420 never).
func Read(req *sip.Request, key Key, flow Flow) (r Request, refused int) { return Request{}, 0 }

// Result is the registrar's verdict. Saved and Deleted are for the Store.
type Result struct {
	Code       int       // 200, 400, 403 (too many contacts), 423, 500 (out of order), 503 (full)
	Reason     string    // phrase
	MinExpires int64     // Min-Expires of a 423, seconds
	Bindings   []Binding // all current ones of the device, newest first, for the 200
	Saved      []Binding
	Deleted    []ID
	Up, Down   bool // the device gained its first / lost its last binding
}

// Registrar is the set of bindings. One owner.
type Registrar struct{}

// New makes an empty registrar.
func New(cfg Config) *Registrar { return &Registrar{} }

// Load puts stored bindings in; those that ended before now are returned for
// deletion. Flow.Conn is cleared: connections do not outlive a process.
func (r *Registrar) Load(now time.Time, b []Binding) (expired []ID) { return nil }

// Register applies a REGISTER (RFC 3261 10.3), all of it or nothing.
func (r *Registrar) Register(now time.Time, q Request) Result { return Result{} }

// Contacts returns the live bindings of a device, newest first. The slice is the caller's.
func (r *Registrar) Contacts(now time.Time, k Key) []Binding { return nil }

// NextDeadline is when Expire has work again; false: nothing is bound.
func (r *Registrar) NextDeadline() (time.Time, bool) { return time.Time{}, false }

// Expire drops what ended by now. down lists devices that lost their last binding.
func (r *Registrar) Expire(now time.Time) (deleted []ID, down []Key) { return nil, nil }

// ConnectionClosed drops the bindings that came by connection conn (RFC 5626 4.2.1).
func (r *Registrar) ConnectionClosed(conn uint64) (deleted []ID, down []Key) { return nil, nil }

// Len is the number of bindings.
func (r *Registrar) Len() int { return 0 }

// ContactHeaders renders the Contact values of a 200 to REGISTER, expires counted from now.
func ContactHeaders(now time.Time, b []Binding) []string { return nil }
