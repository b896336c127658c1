package sip

import (
	"github.com/emiago/sipgo/sip"

	"github.com/centrala/centrala/pkg/sip/dialog"
)

// Replaces names a dialog by Call-ID and tags (RFC 3891).
type Replaces = dialog.Replaces

// Elsewhere is the reason for End on legs that rang in vain because another
// phone answered: they show no missed call. Ended.Elsewhere tells the same of a
// peer's CANCEL.
const Elsewhere = dialog.Elsewhere

// ReplacedDialog is the dialog that a new call wants to take the place of.
type ReplacedDialog struct {
	Dialog    *Dialog
	Early     bool // it rings: a pick-up; else it is in conversation
	EarlyOnly bool // the caller wanted it only so (it was checked)
}

// AcceptRefer takes the transfer that Referred asked for: 202 and a first NOTIFY.
func (d *Dialog) AcceptRefer() { d.post(dialog.AcceptRefer{}) }

// RefuseRefer refuses it with code (300..699, else 603).
func (d *Dialog) RefuseRefer(code int) { d.post(dialog.RefuseRefer{Code: code}) }

// NotifyRefer tells the referrer how the call that it asked for stands: below
// 200 it goes on, a final code ends the matter. It works after Ended as well:
// most phones hang up as soon as the transfer is taken.
func (d *Dialog) NotifyRefer(code int, reason string) {
	d.post(dialog.NotifyRefer{Code: code, Reason: reason})
}

// SendRefer asks the peer to call the URI to instead of us; ReferTold follows.
func (d *Dialog) SendRefer(to string) { d.post(dialog.SendRefer{To: to}) }

// afterEnd says that a command is of use when the call is over.
func afterEnd(ev dialog.Event) bool {
	_, ok := ev.(dialog.NotifyRefer)
	return ok
}

// party is whom a dialog is with. Zero: nobody that was proved.
type party struct {
	kind         IdentityKind
	tenant, name string
}

// FindReplaced looks for the live dialog of a tenant that r names, for a REFER
// with Replaces (attended transfer). found is called once, on that dialog's
// goroutine, must not block, and gets nil for none.
func (s *Stack) FindReplaced(tenant string, r Replaces, found func(d *Dialog, early bool)) {
	sh := s.shardOf(r.CallID)
	sh.do(func() {
		d, early := sh.replaced(r)
		if d == nil || d.with.tenant == "" || d.with.tenant != tenant {
			found(nil, false)
			return
		}
		found(d, early)
	})
}

// replaced finds a dialog by the names of RFC 3891. Owner of its Call-ID.
func (sh *shard) replaced(r Replaces) (*Dialog, bool) {
	for _, tag := range [...]string{r.ToTag, r.FromTag} {
		if d := sh.find(r.CallID, tag); d != nil && d.m != nil {
			if early, ok := d.m.Replaced(r); ok {
				return d, early
			}
		}
	}
	return nil, false
}

// readReplaces returns the Replaces of a request; code 400 for more than one, or
// one that cannot be read, or where it may not be (RFC 3891 3).
func readReplaces(req *sip.Request) (r *Replaces, code int) {
	for _, h := range req.Headers() {
		if h.Name() != "Replaces" {
			continue
		}
		v, ok := dialog.ParseReplaces(h.Value())
		if !ok || r != nil || req.Method != sip.INVITE {
			return nil, 400
		}
		r = &v
	}
	return r, 0
}

// invited hands a new call to the handler, with the dialog that it replaces
// looked up by that dialog's owner.
func (d *Dialog) invited(in *Invitation, r *Replaces) {
	s := d.sh.s
	if r == nil {
		s.deps.Handler.Invite(in)
		return
	}
	other := s.shardOf(r.CallID)
	with := d.with
	other.do(func() {
		old, early := other.replaced(*r)
		code := 0
		switch {
		case old == nil || old == d || old.with.tenant == "" || old.with.tenant != with.tenant,
			with.kind == IdentityTrunk && old.with != with:
			// Not there, or none of his: he learns no difference.
			code = 481
		case r.EarlyOnly && !early:
			code = 486
		}
		d.sh.do(func() {
			switch {
			case d.gone: // cancelled meanwhile
			case code != 0:
				d.step(dialog.Reject{Code: code})
			default:
				in.Replaces = &ReplacedDialog{Dialog: old, Early: early, EarlyOnly: r.EarlyOnly}
				s.deps.Handler.Invite(in)
			}
		})
	})
}

// Tags are the names of the dialog that a watcher needs for a pick-up; remote ""
// until the peer was heard. Only inside a sink or Handler.Invite: on the
// dialog's own goroutine.
func (d *Dialog) Tags() (local, remote string) {
	if d.m == nil {
		return "", ""
	}
	return d.m.LocalTag(), d.m.RemoteTag()
}
