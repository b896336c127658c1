package call

import (
	"time"

	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/pkg/acd/dispatch"
	"github.com/centrala/centrala/pkg/route"
	"github.com/centrala/centrala/pkg/sip"
)

// House is one tenant's configuration as calls see it: a snapshot that never
// changes. A new revision makes a new House; calls keep the one they began with.
type House interface {
	Rules
	// Inbound and FromDevice decide where a call leads (pkg/route).
	Inbound(now time.Time, trunk, dialled, from string) (route.Target, error)
	FromDevice(now time.Time, device, dialled string) (route.Target, error)
	// Outside lists the trunks for a number that the house itself dials, in the
	// order to try them; never empty without an error.
	Outside(number string) ([]route.TrunkRoute, error)
	// Emergency tells whether a number, as sent to a trunk, calls for help.
	Emergency(number string) bool
	// CallerNumber is a caller's number on a trunk in the house's own form.
	CallerNumber(trunk, number string) string
	// Named is a target by its name: kind "queue", "flow", "device" or "agent". The
	// second value is a SIP status, 404 when there is none, else 0.
	Named(kind, name string) (route.Target, int)
	Device(name string) Device
	// Trunk returns nil when there is none of that name.
	Trunk(name string) *Trunk
	// Clip is a prompt's audio in a language, ready to play.
	Clip(name, language string) (*play.Clip, error)
	// ClipInMemory is Clip without waiting for a disk: nil when it must be read first.
	ClipInMemory(name, language string) *play.Clip
	ACD() *dispatch.Dispatcher
	Language() string
}

// Device is what a call needs of a device.
type Device struct {
	Username   string
	Extension  string   // shown to others as the caller's number
	Display    string   // the name of who sits there, shown beside it
	Codecs     []string // nil = all of ours
	Keys       KeyWay   // how it sends keys
	MaxCalls   int      // at a time; 0 = no cap
	Encryption Encryption
	// AutoAnswer is how the phone is asked to answer a queue\'s call by itself:
	// "call_info", "alert_info", "" not at all.
	AutoAnswer string
	// HandOver: the phone is told what the caller has keyed in the menu.
	HandOver bool
}

// Trunk is what a call needs of a trunk.
type Trunk struct {
	Target                           sip.Target
	Host                             string // in the To address
	AuthUser, AuthPassword, CallerID string
	MaxCalls                         int // 0 = no cap
	Codecs                           []string
	Keys                             KeyWay // how the carrier sends keys
	Encryption                       Encryption
	RingTimeout                      time.Duration
	ResponseTimeout                  time.Duration              // without any answer; 0 = 4 s
	Failover                         []int                      // answers that lead to the next trunk; nil = DefaultFailover
	Contact                          string                     // user under which it is registered, "" none
	TrustIdentity                    bool                       // its P-Asserted-Identity is believed
	SendIdentity                     string                     // "", "pai", "rpid"
	SendDiversion                    string                     // "", "diversion", "history_info"
	Show                             func(number string) string // a calling number in the trunk's form; nil = as it is
}
