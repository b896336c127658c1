package call

import (
	"testing"
	"time"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
)

// referring is a caller whose line was asked to call somebody else.
func referring(t *testing.T) *score {
	t.Helper()
	f, err := flow.ParseYAML("away", []byte(`
start: away
steps:
  away:
    transfer: {to: "+37322123456", timeout: 20s}
    on: {busy: busy}
    next: bye
  busy: {play: busy, next: bye}
  bye: {hangup: normal}
`))
	if err != nil {
		t.Fatal(err)
	}
	r := house
	r.flows = map[string]*flow.Flow{"away": f}
	s := start(t, r, route.Target{Kind: route.Flow, Name: "away"})
	s.do(AnswerSent{})
	s.want("AnswerCaller", "journal transfer.asked", "PlayClip", "ReferLeg")
	return s
}

func TestReferByTheCallersLine(t *testing.T) {
	t.Run("done", func(t *testing.T) {
		s := referring(t)
		s.do(ReferTold{Code: 100})
		s.do(ReferTold{Code: 180})
		s.do(ReferTold{Code: 200})
		s.want("journal transfer.ended", "EndLeg 0 transferred")
		s.verdict(event.ResultSuccess, event.ReasonTransferred)
	})
	t.Run("done, and the line says only goodbye", func(t *testing.T) {
		s := referring(t)
		s.do(ReferTold{Code: 100})
		s.do(LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
		s.verdict(event.ResultSuccess, event.ReasonTransferred)
	})
	t.Run("the caller leaves before the line has said anything", func(t *testing.T) {
		s := referring(t)
		s.do(LegGone{Leg: 0, Remote: true, Reason: event.ReasonNormal})
		s.want("journal transfer.ended")
		s.verdict(event.ResultCaller, event.ReasonLeftMenu)
	})
	t.Run("refused: bridged", func(t *testing.T) {
		s := referring(t)
		s.do(ReferTold{Code: 405, Refused: true})
		s.want("journal transfer.ended", "segment ringing", "DialOutside")
	})
	t.Run("busy", func(t *testing.T) {
		s := referring(t)
		s.do(ReferTold{Code: 100})
		s.do(ReferTold{Code: 486})
		s.want("journal transfer.ended", "StopPlay", "Play 0 busy")
	})
	t.Run("no last word, and then a late one", func(t *testing.T) {
		s := referring(t)
		s.do(ReferTold{Code: 100})
		s.after(20*time.Second, TimerFired{TimerFlow + TimerID(s.m.S.IVR.Timer)})
		s.want("journal transfer.ended")
		s.do(ReferTold{Code: 200})
		s.verdict(event.ResultSuccess, event.ReasonNormal)
	})
}
