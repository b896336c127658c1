package call

import (
	"context"

	"go.uber.org/zap"

	"github.com/centrala/centrala/media/play"
)

// Mailboxes is the memory of voicemail (pkg/voicemail). Its methods may wait for a
// disk: they are called on goroutines of their own.
type Mailboxes interface {
	// Messages lists a box's messages, new ones first, then the newest; at most 1000.
	Messages(ctx context.Context, tenant, box string) ([]MailboxMessage, error)
	// Sound reads the recording of a message.
	Sound(path string) (*play.Clip, error)
}

// listMailbox asks what is in a box; MailboxListed follows.
func (o *owner) listMailbox(e ListMailbox) {
	boxes := o.mgr.deps.Mailboxes
	if boxes == nil {
		o.then(MailboxListed{Failed: true})
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), mailboxBound)
		defer cancel()
		list, err := boxes.Messages(ctx, o.tenant, e.Box)
		if err != nil {
			o.log.Error("voicemail not read", zap.String("box", e.Box), zap.Error(err))
		}
		o.post(MailboxListed{List: list, Failed: err != nil})
	}()
}

// playRecording plays a message; Played or PlayFailed follows.
func (o *owner) playRecording(e PlayRecording) {
	l, boxes := o.leg(e.Leg), o.mgr.deps.Mailboxes
	if l == nil || l.media == nil || boxes == nil {
		return
	}
	l.media.StopPlay()
	l.awaits = e.ID
	go func() {
		c, err := boxes.Sound(e.Path)
		if err != nil {
			o.log.Warn("message not playable", zap.String("path", e.Path), zap.Error(err))
		}
		o.post(clipsRead{l, PlayPhrases{Leg: e.Leg, ID: e.ID}, []*play.Clip{c}, err})
	}()
}

// routeNumber asks where a number leads from a leg's phone, with its rights.
func (o *owner) routeNumber(e RouteNumber) {
	t, code := o.reach(o.m.S.Legs[e.Leg].Device, e.To)
	o.then(NumberRouted{Target: t, Refuse: code})
}
