package call

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/ivr/prompt"
	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/media/session"
	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
	"github.com/centrala/centrala/pkg/sip"
)

// carryOut does one effect. What goes wrong comes back as an Event.
func (o *owner) carryOut(e Effect) {
	switch e := e.(type) {
	case AnswerCaller:
		o.answerCaller(0)
	case RingCaller:
		if e.Early {
			o.answerCaller(183)
		} else {
			o.legs[0].dialog.Progress(180, nil)
		}
	case RejectCaller:
		o.legs[0].dialog.Reject(e.Code, "", append(retryAfter(e.Code), wordHeader(e.Word)...)...)
	case DialDevice:
		o.dialDevice(e)
	case DialTrunk:
		o.dialTrunk(e.Trunk, e.Number)
	case DialOutside:
		o.dialOutside(e.Number, e.One)
	case EndLeg:
		o.endLeg(o.legs[e.Leg], e.Reason)
	case PlayPhrases:
		o.playPhrases(e)
	case PlayClip:
		o.forgetAwaited(e.Leg)
		if m := o.media(e.Leg); m != nil {
			m.Play(session.Play{ID: e.ID, Clips: []*play.Clip{e.Clip}, Loop: e.Loop})
		}
	case StopPlay:
		o.forgetAwaited(e.Leg)
		if m := o.media(e.Leg); m != nil {
			m.StopPlay()
		}
	case EchoLeg:
		o.forgetAwaited(e.Leg)
		if m := o.media(e.Leg); m != nil {
			m.Echo(e.On)
		}
	case SendDigit:
		if m := o.media(e.Leg); m != nil {
			m.SendDigits(string(rune(e.Digit)))
		}
	case BridgeLegs:
		o.forgetAwaited(e.A, e.B)
		if a, b := o.media(e.A), o.media(e.B); a != nil && b != nil {
			a.Bridge(b)
			o.unify(e.A, e.B)
		}
	case UnbridgeLegs:
		if a := o.media(e.A); a != nil {
			a.Unbridge()
		}
	case StartRecording:
		o.startRecording(e)
	case TapLeg:
		if m := o.media(e.Leg); m != nil && o.rec != nil {
			ch := record.Right
			if e.Left {
				ch = record.Left
			}
			m.Record(o.rec, ch)
		}
	case UntapLeg:
		if m := o.media(e.Leg); m != nil {
			m.Record(nil, record.Left)
		}
	case Confer:
		for _, l := range o.legs {
			l.awaits = 0
		}
		o.confer(e)
	case AnswerTransfer:
		o.answerTransfer(e)
	case NotifyTransfer:
		o.legs[e.Leg].dialog.NotifyRefer(e.Code, e.Reason)
	case ReferLeg:
		o.referLeg(e)
	case AskConference:
		o.askConference(e.Leg)
	case WantLeg:
		o.wantLeg(e)
	case GiveLeg:
		o.giveLeg(e)
	case ParkOther:
		o.parkOther(e.Device)
	case TellSlot:
		if to := o.mgr.owner(e.Call); to != nil && e.Slot != "" {
			to.post(Spoken{e.Slot})
		} else if to != nil {
			to.post(JoinRefused{})
		}
	case AskTarget:
		o.askTarget(e)
	case KeepLeg:
		o.keepLeg(e)
	case AskJoin:
		o.askJoin(e)
	case RefuseJoin:
		o.refuseJoin(e)
	case TakeSlot:
		o.then(SlotTaken{o.mgr.takeSlot(o, e.Want)})
	case FreeSlot:
		o.mgr.freeSlot(o, e.Slot)
	case PauseRecording:
		o.pauseRecording(e)
	case StopRecording:
		o.stopRecording()
	case ListMailbox:
		o.listMailbox(e)
	case PlayRecording:
		o.playRecording(e)
	case RouteNumber:
		o.routeNumber(e)
	case StartStream:
		o.startStream(e)
	case StopStream:
		o.stopStream(e.ID, e.Reason)
	case StreamKey:
		if k := o.streamOf(e.ID); k != nil {
			k.stream.Key(e.Digit)
		}
	case StartMessage:
		o.startMessage(e)
	case EndMessage:
		o.endMessage()
	case DropRecording:
		o.dropRecording(e.Path)
	case RunJob:
		o.runJob(e)
	case StopJob:
		o.stopJob()
	case TellApp:
		o.tellApp(e)
	case SetTimer:
		o.setTimer(e.Timer, time.Now().Add(e.After))
	case StopTimer:
		o.stopTimer(e.Timer)
	case TellACD:
		o.tellACD(e.Event)
	case DoFeature:
		o.doFeature(e)
	case Journal:
		o.journal(e.Body)
		o.mgr.metrics.count(o.m.S.Direction, e.Body)
	case Finish:
		o.finish()
	}
}

func (o *owner) media(leg int) *session.Leg {
	if l := o.leg(leg); l != nil {
		return l.media
	}
	return nil
}

func retryAfter(code int) []sip.Header {
	if code != 503 {
		return nil
	}
	return []sip.Header{{Name: "Retry-After", Value: "10"}}
}

// reasonHeader makes the Reason header value (RFC 3326) a phone shows its owner
// rightly: a call that another phone took is not a missed call.
func reasonHeader(why string) string {
	switch why {
	case "answered elsewhere":
		return sip.Elsewhere
	case "normal", "abandoned", "left_menu":
		return `Q.850;cause=16;text="Normal call clearing"`
	}
	return why
}

// playPhrases plays prompts. Those not in memory are read on a goroutine of their
// own, and play when they are there, unless the leg hears something else by then.
func (o *owner) playPhrases(e PlayPhrases) {
	l := o.leg(e.Leg)
	if l == nil || l.media == nil {
		return
	}
	clips := make([]*play.Clip, 0, len(e.Phrases))
	for _, p := range e.Phrases {
		c := o.inMemory(p, e.Language)
		if c == nil {
			l.media.StopPlay()
			l.awaits = e.ID
			go o.load(l, e)
			return
		}
		clips = append(clips, c)
	}
	l.awaits = 0
	l.media.Play(session.Play{ID: e.ID, Clips: clips, Loop: e.Loop, Offset: e.Offset})
}

// load reads the clips of e. Its own goroutine.
func (o *owner) load(l *legHandle, e PlayPhrases) {
	clips := make([]*play.Clip, 0, len(e.Phrases))
	// One bound for all texts of a step: the caller hears nothing meanwhile.
	ctx, cancel := context.WithTimeout(context.Background(), o.mgr.cfg.SpeechWait)
	defer cancel()
	for _, p := range e.Phrases {
		c, err := o.read(ctx, p, e.Language)
		if err != nil {
			o.log.Warn("prompt not playable", zap.String("prompt", p.Name), zap.Bool("text", p.Text != ""), zap.String("language", e.Language), zap.Error(err))
			o.mgr.metrics.promptFaults.Inc()
			o.post(clipsRead{l, e, nil, err})
			return
		}
		clips = append(clips, c)
	}
	o.post(clipsRead{l, e, clips, nil})
}

// inMemory is the clip of a phrase that can be heard at once, or nil.
func (o *owner) inMemory(p prompt.Phrase, language string) *play.Clip {
	if p.Recording != "" {
		return nil
	}
	if p.Text == "" {
		return o.house.ClipInMemory(p.Name, language)
	}
	if s := o.mgr.deps.Speech; s != nil {
		return s.Ready(p.Text, language)
	}
	return nil
}

// read waits for the clip of a phrase: a file, or a text until ctx is over and then
// the prompt in its place.
func (o *owner) read(ctx context.Context, p prompt.Phrase, language string) (*play.Clip, error) {
	if p.Recording != "" {
		if o.mgr.deps.Messages == nil {
			return nil, errNoMessages
		}
		return o.mgr.deps.Messages.Clip(p.Recording)
	}
	if p.Text == "" {
		return o.house.Clip(p.Name, language)
	}
	c, err := (*play.Clip)(nil), errNoSpeech
	if s := o.mgr.deps.Speech; s != nil {
		c, err = s.Say(ctx, p.Text, language)
	}
	if err == nil || p.Name == "" {
		return c, err
	}
	o.log.Info("text not spoken, its fallback is heard", zap.String("prompt", p.Name), zap.String("language", language), zap.Error(err))
	return o.house.Clip(p.Name, language)
}

var errNoMessages = errors.New("recordings cannot be heard here")

var errNoSpeech = errors.New("nothing speaks texts here (speech.engine in the node file)")

// clipsRead plays what load has read.
func (o *owner) clipsRead(r clipsRead) {
	if r.leg.awaits != r.play.ID || r.leg.media == nil || o.leg(r.play.Leg) != r.leg {
		return // it hears something else, or has gone
	}
	r.leg.awaits = 0
	if r.err != nil {
		o.step(PlayFailed{r.play.Leg, r.play.ID, r.err})
		return
	}
	r.leg.media.Play(session.Play{ID: r.play.ID, Clips: r.clips, Loop: r.play.Loop, Offset: r.play.Offset})
}

// forgetAwaited: the legs hear something else from now on.
func (o *owner) forgetAwaited(legs ...int) {
	for _, i := range legs {
		if l := o.leg(i); l != nil {
			l.awaits = 0
		}
	}
}

func (o *owner) startRecording(e StartRecording) {
	rec, err := o.mgr.deps.Recorder.Open(e.Path, o.legs[e.Kept].law, func(r record.Result) {
		o.post(RecordingDone{event.RecordingEnded{Recording: e.ID, Path: r.Name, DurationMs: r.Duration.Milliseconds(), SizeBytes: r.SizeBytes, Fault: r.Fault,
			SHA256: r.SHA256, PausedMs: r.Pauses.Milliseconds()}})
	})
	if err != nil {
		o.log.Error("recording not started; the call goes on without", zap.String("path", e.Path), zap.Error(err))
		o.then(RecordingFailed{Fault: "open"})
		return
	}
	o.rec, o.recID = rec, e.ID
	if m := o.media(e.Kept); m != nil {
		m.Record(rec, record.Left)
	}
	if m := o.media(e.Peer); m != nil {
		m.Record(rec, record.Right)
	}
}

// pauseRecording takes no lock that a disk holds.
func (o *owner) pauseRecording(e PauseRecording) {
	if o.rec == nil {
		return
	}
	change := o.rec.Resume
	if e.On {
		change = o.rec.Pause
	}
	if at, ok := change(time.Now()); ok {
		o.then(RecordingMarked{Recording: o.recID, Paused: e.On, AtMs: at.Milliseconds(), By: e.By})
	}
}

func (o *owner) stopRecording() {
	if o.rec == nil {
		return
	}
	rec := o.rec
	o.rec = nil
	o.unmix(nil)
	for i := range o.legs {
		if m := o.media(i); m != nil {
			m.Record(nil, record.Left)
		}
	}
	// On the worker, behind the last packet it wrote.
	o.mgr.deps.Media.Do(o.group, func(now time.Time) { rec.Close(now) })
}

func (o *owner) tellACD(ev acd.Event) {
	d := o.house.ACD()
	_, enters := ev.(acd.Enter)
	_, asks := ev.(acd.AskCallback)
	if (enters || asks) && !o.inACD {
		o.inACD = true
		d.Attach(o.m.S.ID, func(e acd.Effect) { o.post(e) })
	}
	d.Post(ev)
}

// doFeature asks the ACD on a goroutine of its own: the answer may take a
// moment and the caller's leg must go on living meanwhile.
func (o *owner) doFeature(e DoFeature) {
	if e.Action == route.FeatureDNDOn || e.Action == route.FeatureDNDOff {
		o.setDND(e)
		return
	}
	if e.Action == route.FeatureClosure {
		o.toggleSchedule(e)
		return
	}
	if e.Agent == "" {
		o.then(FeatureDone{"not_allowed"})
		return
	}
	var ev acd.Event
	said := ""
	switch e.Action {
	case "log_in":
		ev, said = acd.LogIn{Agent: e.Agent, By: acd.ByPhone}, "logged_in"
	case "log_out":
		ev, said = acd.LogOut{Agent: e.Agent, By: acd.ByPhone}, "logged_out"
	case "ready":
		ev, said = acd.SetReady{Agent: e.Agent, By: acd.ByPhone}, "now_ready"
	case "not_ready":
		ev, said = acd.SetNotReady{Agent: e.Agent, Reason: e.Arg, By: acd.ByPhone}, "now_not_ready"
	default:
		o.then(FeatureDone{"not_allowed"})
		return
	}
	d := o.house.ACD()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := d.Ask(ctx, ev); err != nil {
			o.log.Info("feature code refused", zap.String("feature", e.Action), zap.String("agent", e.Agent), zap.Error(err))
			said = "not_allowed"
		}
		o.post(FeatureDone{said})
	}()
}

// setDND keeps the device's wish off the owner's goroutine: the store may wait
// for its disk.
func (o *owner) setDND(e DoFeature) {
	store := o.mgr.deps.DND
	if store == nil || e.Device == "" {
		o.then(FeatureDone{"not_allowed"})
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := store.SetDND(ctx, o.tenant, e.Device, e.Action == route.FeatureDNDOn); err != nil {
			o.log.Error("do-not-disturb not kept", zap.String("device", e.Device), zap.Error(err))
			o.post(FeatureDone{"sorry"})
			return
		}
		o.post(FeatureDone{"done"})
	}()
}

// finish is the end of the owner: streams closed; its name is freed once the
// verdict is on disk.
func (o *owner) finish() {
	for _, k := range o.streams {
		k.aim([2]*session.Leg{}, nil)
		k.stream.Stop("call over")
	}
	o.streams = nil
	o.stopJob()
	o.endMessage()
	for _, l := range o.legs {
		o.closeMedia(l, nil)
		o.mgr.release(o.m.S.Tenant, l)
	}
	if o.inACD {
		o.house.ACD().Post(acd.Gone{CallID: o.m.S.ID})
		o.house.ACD().Detach(o.m.S.ID)
	}
	o.over = true
	o.mgr.finish(o)
}

func (o *owner) closeMedia(l *legHandle, reply func(session.Stats)) {
	if l.media == nil {
		return
	}
	m := l.media
	l.media = nil
	m.Close(reply)
}
