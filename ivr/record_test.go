package ivr

import (
	"testing"
	"time"

	"github.com/centrala/centrala/ivr/flow"
)

const recordDoc = `
start: leave
steps:
  leave:
    record: {prompts: [greeting], into: message, max: 30s, min: 2s, silence: 4s, too_short: [invalid], retries: 1, review: [main_menu]}
    next: thanks
    on: {failed: bye, empty: bye}
  thanks: {set: {got: "${message}"}, next: bye}
  bye: {hangup: normal}
`

// spoken is the end of a message with so much voice in it.
func (x *score) spoken(id string, voice time.Duration, words ...string) {
	x.t.Helper()
	x.do(RecordDone{ID: x.msg, Outcome: flow.OutcomeDone, Recording: id, Path: "acme/" + id + ".wav", Duration: 10 * time.Second, Voice: voice})
	x.want(words...)
}

func TestRecord(t *testing.T) {
	x := begin(t, recordDoc, caller)
	x.want("answer", "play greeting")
	x.heard("tone beep []")
	x.after(400*time.Millisecond, "stop", "record 4s 2s")
	x.press("5") // any other key belongs to the message
	x.press("#", "stop record")
	x.spoken("m1", 5*time.Second, "play main_menu")
	x.press("2", "stop", "play ")
	if x.s.TakePath != "acme/m1.wav" {
		t.Fatalf("%+v", x.s)
	}
	x.heard("play main_menu")
	x.press("3", "stop", "drop m1", "tone beep []") // once more
	x.after(400*time.Millisecond, "stop", "record 4s 2s")
	x.do(RecordQuiet{x.msg})
	x.want("stop record")
	x.spoken("m2", 5*time.Second, "play main_menu")
	x.press("1", "stop", "keep m2", "hangup normal", "done")
	if x.s.Vars["got"] != "m2" {
		t.Fatalf("%v", x.s.Vars)
	}
}

func TestRecordWays(t *testing.T) {
	record := func(t *testing.T) *score {
		x := begin(t, recordDoc, caller)
		x.press("1", "stop", "tone beep []") // a key ends the greeting
		x.after(400*time.Millisecond, "stop", "record 4s 2s")
		return x
	}
	t.Run("too long", func(t *testing.T) {
		x := record(t)
		x.after(30*time.Second, "stop record")
		x.spoken("m1", 20*time.Second, "play main_menu")
		x.heard()
		x.after(5*time.Second, "keep m1", "hangup normal", "done") // who says nothing keeps it
	})
	t.Run("nothing said", func(t *testing.T) {
		x := record(t)
		x.do(RecordQuiet{x.msg})
		x.spoken("m1", time.Second, "drop m1", "play invalid greeting")
		x.heard("tone beep []")
		x.after(400*time.Millisecond, "stop", "record 4s 2s")
		x.do(RecordQuiet{x.msg})
		x.spoken("m2", 0, "drop m2", "hangup normal", "done")
	})
	t.Run("no disk", func(t *testing.T) {
		x := record(t)
		x.do(RecordDone{ID: x.msg, Outcome: flow.OutcomeFailed})
		x.want("fail leave", "hangup normal", "done")
	})
	t.Run("the file does not close", func(t *testing.T) {
		x := record(t)
		x.press("#", "stop record")
		x.after(5*time.Second, "fail leave", "hangup normal", "done")
	})
	t.Run("keys as fast as they can be", func(t *testing.T) {
		x := record(t)
		x.press("#", "stop record")
		x.press("###") // the first counts
		x.spoken("m1", 5*time.Second, "play main_menu")
		x.press("9", "stop", "play main_menu")
		x.press("9", "stop", "keep m1", "hangup normal", "done")
	})
	t.Run("late events", func(t *testing.T) {
		x := record(t)
		old := x.msg
		x.do(RecordQuiet{old + 7})
		x.want()
		x.press("#", "stop record")
		x.do(RecordQuiet{old})
		x.want()
		x.spoken("m1", 5*time.Second, "play main_menu")
		x.do(RecordDone{ID: old, Outcome: flow.OutcomeDone, Recording: "m9"})
		x.want()
	})
}
