//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/load/robot"
)

// A box for bob, whose phone is away, and one for the house.
const voicemailResources = `
---
kind: device
name: dora
spec: {username: dora, password: pw-dora, extension: "204", voicemail: dora}
---
kind: user
name: dora
spec: {roles: [agent], device: dora}
---
kind: voicemail
name: dora
spec: {users: [dora], greeting: hello, pin: "4711"}
---
kind: number
name: box
spec: {digits: "6000", voicemail: dora}
`

func voicemailHouse(t *testing.T) *house {
	t.Helper()
	h := prepare(t)
	b, err := os.ReadFile(filepath.Join(h.dir, "resources.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.write("resources.yaml", string(b)+voicemailResources)
	h.start()
	return h
}

// leave calls a number that leads to a box, and speaks behind its tone.
func (h *house) leave(number string) *robot.Call {
	h.t.Helper()
	c := h.dial(h.phone("anna", "udp", robot.MD5), number)
	h.up(c)
	h.hears("the greeting", c, helloTone)
	c.Leg().PlayTone(callerTone)
	h.eventually(patience, "the message is recorded", func() bool { return len(h.recordings()) > 0 })
	return c
}

func (h *house) box() []api.Voicemail {
	h.t.Helper()
	var p api.VoicemailPage
	h.decode(&p, "voicemail", "list")
	return p.Messages
}

// A caller whom dora's phone does not answer leaves a message: the lamp of the phone
// that watches comes on, the message holds the caller's tone, and goes with its file.
func TestVoicemail(t *testing.T) {
	t.Parallel()
	h := voicemailHouse(t)
	h.scenarios(t, "voicemail", []scenario{{file: "subscribe-message-left", to: "dora", pass: "pw-dora", uri: "dora", from: houseIP,
		with: func(h *house) (string, bool) {
			time.Sleep(time.Second) // it has subscribed
			c := h.leave("204")     // her phone is not there
			time.Sleep(3 * time.Second)
			c.Hangup()
			return "", true
		}}})
	h.eventually(patience, "the message is in the box", func() bool { return len(h.box()) == 1 })
	m := h.box()[0]
	if m.Box != "dora" || m.From != "101" || m.State != "new" || m.DurationMs < 2000 {
		t.Errorf("message %+v", m)
	}
	file := filepath.Join(h.dir, "message.wav")
	if out, err := h.run("voicemail", "get", m.ID, file); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := robot.ReadWAV(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if !heardIn(w.Channels[0], callerTone) || !robot.Quiet(w.Channels[0], helloTone) {
		t.Errorf("the message has the caller's tone at %.3f and the greeting's at %.3f", robot.Level(w.Channels[0], callerTone), robot.Level(w.Channels[0], helloTone))
	}
	// By phone: the PIN, and the message itself.
	dora := h.phone("dora", "udp", robot.MD5)
	c := h.dial(dora, "*97")
	h.up(c)
	c.Leg().SendDigits("4711")
	h.hears("the message by phone", c, callerTone)
	c.Leg().SendDigits("3") // delete
	h.eventually(patience, "the message is deleted", func() bool { return len(h.box()) == 0 && len(h.recordings()) == 0 })
	c.Hangup()
	h.quiet()
}

// What was said until the process was killed is in the box after the next start.
func TestVoicemailOfAKilledProcess(t *testing.T) {
	t.Parallel()
	h := voicemailHouse(t)
	h.leave("6000")
	time.Sleep(4 * time.Second)
	h.kill()
	h.start()
	h.eventually(patience, "the message is in the box", func() bool { return len(h.box()) == 1 })
	m := h.box()[0]
	if m.From != "101" || m.DurationMs < 2000 {
		t.Errorf("message %+v", m)
	}
	if w := h.recording(); !heardIn(w.Channels[0], callerTone) {
		t.Errorf("the message has the caller's tone at %.3f", robot.Level(w.Channels[0], callerTone))
	}
}
