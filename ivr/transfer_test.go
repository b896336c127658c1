package ivr

import (
	"testing"
	"time"
)

const transferDoc = `
start: away
steps:
  away:
    transfer: {to: "+37322123456", timeout: 20s}
    on: {busy: busy, answered: thanks}
    next: bye
  only:
    transfer: {to: "+37322123456", bridge: false}
    next: bye
  busy: {play: busy, next: only}
  thanks: {play: thanks, next: bye}
  bye: {hangup: normal}
`

func TestTransfer(t *testing.T) {
	const asks = "refer +37322123456 20s"
	t.Run("the line takes none", func(t *testing.T) {
		x := begin(t, transferDoc, caller)
		x.want("answer", asks)
		x.do(ReferDone{ID: 99, Outcome: "busy"}) // of another
		x.want()
		x.do(ReferDone{Outcome: "refused"})
		x.want("dial number:+37322123456 20s")
		x.do(Connected{})
		x.do(DialDone{Outcome: "no_answer"}) // whatever ends a conversation
		x.want("play thanks")
	})
	t.Run("nobody there either way", func(t *testing.T) {
		x := begin(t, transferDoc, caller)
		x.do(ReferDone{Outcome: "refused"})
		x.do(DialDone{Outcome: "busy"})
		x.want("play busy")
		x.heard("refer +37322123456 30s")
		x.do(ReferDone{Outcome: "refused"}) // and nothing is dialled
		x.want("hangup normal", "done")
	})
	t.Run("busy at the line's other end", func(t *testing.T) {
		x := begin(t, transferDoc, caller)
		x.do(ReferDone{Outcome: "busy"})
		x.want("play busy")
	})
	t.Run("no last word", func(t *testing.T) {
		x := begin(t, transferDoc, caller)
		x.press("1") // kept for nobody
		x.after(20*time.Second, "stop refer", "hangup normal", "done")
		x.do(ReferDone{Outcome: "busy"})
		x.want()
	})
}
