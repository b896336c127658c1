// Package route decides where a dialled number leads: a carrier's call by the
// numbers of a tenant, a device's call by feature codes, extensions, numbers
// and, for who may, through a trunk to the outside. It is pure: a Table is
// built from the resources and never changed; a new revision makes a new one.
package route

import (
	"errors"
	"time"

	"github.com/centrala/centrala/pkg/resource"
)

// Errors that callers branch on; the errors returned wrap one of them.
var (
	// ErrNotFound: nothing answers to what was dialled (SIP 404).
	ErrNotFound = errors.New("not found")
	// ErrForbidden: the device may not call there (SIP 403).
	ErrForbidden = errors.New("forbidden")
	// ErrFull: every trunk for the number has as many calls as it may (SIP 503).
	ErrFull = errors.New("all trunks are full")
	// ErrDown: every trunk for the number is down or not registered (SIP 500).
	ErrDown = errors.New("all trunks are down")
)

// Kind says what a Target is.
type Kind int

// The kinds of targets.
const (
	Flow      Kind = iota + 1 // Name is a flow
	Queue                     // Name is a queue
	Device                    // Name is a device
	Devices                   // Names are devices: a hunt list, the longest unused first
	Trunk                     // Names are trunks, best first; Name is Names[0]; Number goes to it
	Feature                   // Feature is an action of the house, Arg what followed the code
	Voicemail                 // Name is a box: the caller leaves a message
)

// String is the kind in the words of the configuration.
func (k Kind) String() string {
	switch k {
	case Flow:
		return "flow"
	case Queue:
		return "queue"
	case Device:
		return "device"
	case Devices:
		return "devices"
	case Trunk:
		return "trunk"
	case Feature:
		return "feature"
	case Voicemail:
		return "voicemail"
	}
	return "none"
}

// Features that a code may stand for (resource.TenantSpec.FeatureCodes).
const (
	FeatureLogIn    = "log_in"
	FeatureHotDesk  = "hot_desk" // log in at this phone, by number and PIN
	FeatureLogOut   = "log_out"
	FeatureReady    = "ready"
	FeatureNotReady = "not_ready" // Arg: the digits after the code, Reason: the word they stand for
	FeatureEcho     = "echo"
	FeaturePark     = "park"   // transfer to it: park; Arg: a slot, dialled to fetch who is parked there
	FeaturePickUp   = "pickup" // Arg: the extension whose ringing call is taken
	// FeatureConference is a conference that a phone makes (RFC 4579): it dials it,
	// and refers whom it has in other calls to it.
	FeatureConference = "conference"
	FeatureDNDOn      = "dnd_on"  // the device takes no calls
	FeatureDNDOff     = "dnd_off" // it does again
	// Arg: the extension whose conversation is listened to, by who may.
	FeatureMonitor = "monitor"
	FeatureWhisper = "whisper"
	FeatureBarge   = "barge"
	// FeatureClosure closes a schedule, or opens it again; Arg: its switch.
	FeatureClosure = "closure"
	// FeatureRecordPrompt leads to the flow RecordPromptFlow.
	FeatureRecordPrompt = "record_prompt"
	// FeatureVoicemail opens a box; Arg: its number, "" = the phone's own.
	FeatureVoicemail = "voicemail"
)

// RecordPromptFlow is the flow in which prompts are recorded by phone.
const RecordPromptFlow = "record_prompt"

// Target is where a call goes.
type Target struct {
	Kind   Kind
	Tenant string
	Name   string
	Names  []string // shared, not to be changed

	// Number is what is sent to the trunk Name: normalised, digits stripped and
	// prefix added. Routes holds the same for every trunk that may carry the
	// call, best first, to try the next when one fails.
	Number   string
	Routes   []TrunkRoute
	CallerID string // shown outside; "" = the trunk's or device's own

	Feature string
	Arg     string // digits after a feature code, without the separating star
	Reason  string // not_ready: the tenant's word for Arg

	Priority int
	Language string
	// Record is the policy so far: always or never, in the order queue, number,
	// trunk or device, tenant; never when nobody says. For a call that gets to a
	// queue later, Table.Record asks again with that queue.
	Record resource.Record
	// RecordBase is the same without the queue of a Queue target.
	RecordBase resource.Record
	// NumberName is the number resource that led here; "" = none did.
	NumberName string
	// Agent is the user of the device that dialled a Feature; "" = nobody's.
	Agent string
	// Emergency: the call passes whatever else would refuse it.
	Emergency bool
	// RingTimeout bounds the ringing of a Trunk target.
	RingTimeout time.Duration
}

// TrunkRoute is one trunk for a call to the outside.
type TrunkRoute struct {
	Trunk       string
	Number      string // as sent
	CallerID    string
	MaxCalls    int // 0 = no cap
	RingTimeout time.Duration
	// Length is how much of the number the trunk's prefix names, Priority and
	// Weight as configured: Pick chooses by them.
	Length, Priority, Weight int
	Emergency                bool // the trunk is meant for emergency calls
}
