//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// codecs of baresip beside G.711.
const codecModules = "module opus.so\nmodule g722.so\n"

// TestBaresipWideband: a softphone that speaks nothing but Opus, or G.722, goes
// through the menu to an agent on PCMA. Both hear the other's tone, the menu heard
// the key, and the recording holds both.
func TestBaresipWideband(t *testing.T) {
	for _, tc := range []struct{ name, codecs, codec string }{
		{"Opus", "opus/48000/2", "opus"},
		{"G.722", "g722/16000/1", "G722"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			anna := h.softphoneBy("anna", "manual", callerTone, fmt.Sprintf("anna@%s;transport=udp audio_codecs=%s", h.sip, tc.codecs), codecModules)
			bob := h.phone("bob", "udp", robot.Any)
			h.agent("bob", "ready")
			anna.do("dial", fmt.Sprintf("sip:1000@%s", h.sip))
			h.inMenu() // baresip's file can be read when the call is over
			anna.do("sndcode", "1")
			agent := h.ring(bob)
			agent.Answer()
			agent.Leg().PlayTone(agentTone)
			h.hears("agent", agent, callerTone, agentTone)
			h.converse(3*time.Second, agent, nil)
			agent.Hangup()
			d := h.ended()
			if d.Agent != "bob" || segments(d) != "menu waiting talking" {
				t.Errorf("agent %q, %s", d.Agent, segments(d))
			}
			codecs := map[string]bool{}
			for _, l := range d.Legs {
				if l.Audio != nil {
					codecs[l.Audio.Codec] = true
				}
			}
			if !codecs[tc.codec] || !codecs["PCMA"] {
				t.Errorf("legs spoke %v, want %s and PCMA", codecs, tc.codec)
			}
			h.holdsBoth(h.recording())
			h.eventually(patience, "baresip heard menu and agent", func() bool {
				return somewhereIn(anna.heard(), helloTone) && somewhereIn(anna.heard(), agentTone)
			})
			h.quiet()
		})
	}
}

// TestBaresipsPassOpusThrough: two softphones with Opus, or G.722, speak it with
// each other through the queue, and the recording has both all the same.
func TestBaresipsPassOpusThrough(t *testing.T) {
	for _, tc := range []struct{ name, codecs, codec string }{
		{"Opus", "opus/48000/2,pcma/8000/1", "opus"},
		{"G.722", "g722/16000/1,pcma/8000/1", "G722"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			aor := "%s@%s;transport=udp audio_codecs=" + tc.codecs
			bob := h.softphoneBy("bob", "auto", agentTone, fmt.Sprintf(aor, "bob", h.sip), codecModules)
			anna := h.softphoneBy("anna", "manual", callerTone, fmt.Sprintf(aor, "anna", h.sip), codecModules)
			h.agent("bob", "ready")
			anna.do("dial", fmt.Sprintf("sip:1000@%s", h.sip))
			h.inMenu()
			anna.do("sndcode", "1")
			// baresip brings its 8 kHz to 16 by a filter that leaves a seventh of the
			// agent's tone, so it is not the level that counts here.
			const faint, enough = 0.025, 5 // 2 s
			tones := []float64{callerTone, agentTone}
			h.eventually(patience, "both are recorded", func() bool {
				w, ok := h.recordedSoFar()
				return ok && loud(w.Channels[0], tones[0], faint) >= enough && loud(w.Channels[1], tones[1], faint) >= enough
			})
			anna.do("hangup", "")
			d := h.ended()
			if d.Agent != "bob" || segments(d) != "menu waiting talking" {
				t.Errorf("agent %q, %s", d.Agent, segments(d))
			}
			for _, l := range d.Legs {
				if l.Audio == nil || l.Audio.Codec != tc.codec {
					t.Errorf("leg %d spoke %+v", l.Leg, l.Audio)
				}
			}
			w := h.recording()
			for ch, tone := range tones {
				other := tones[1-ch]
				if own, wrong := average(w.Channels[ch], tone), average(w.Channels[ch], other); loud(w.Channels[ch], tone, faint) < enough || wrong > own/10 {
					t.Errorf("recording of %d samples, channel %d: %.3f of its own tone, %.3f of the other", len(w.Channels[ch]), ch, own, wrong)
				}
			}
			h.eventually(patience, "both heard each other", func() bool {
				return loud(anna.heard(), agentTone, faint) >= 2 && loud(bob.heard(), callerTone, faint) >= 2
			})
			h.quiet()
		})
	}
}

// TestCodecLedOver: a caller with Opus and PCMA, whom the menu answered in Opus, is
// led over to PCMA when the agent's phone has nothing else.
func TestCodecLedOver(t *testing.T) {
	t.Parallel()
	h := open(t)
	bob := h.phone("bob", "udp", robot.Any)
	h.agent("bob", "ready")
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.sipp("uac-codec-led-over.xml", "1000", 1)
	}()
	agent := h.ring(bob)
	agent.Answer()
	time.Sleep(time.Second)
	agent.Hangup()
	<-done
	d := h.ended()
	for _, l := range d.Legs {
		if l.Audio == nil || l.Audio.Codec != "PCMA" {
			t.Errorf("leg %d ended with %+v", l.Leg, l.Audio)
		}
	}
	h.quiet()
}

// somewhereIn tells whether a tone is heard in any 400 ms.
func somewhereIn(pcm []int16, tone float64) bool {
	const piece = 400 * 8
	for i := 0; i+piece <= len(pcm); i += piece / 2 {
		if robot.Hears(pcm[i:i+piece], tone) {
			return true
		}
	}
	return false
}

// inMenu waits until the one call of the house has been answered by the menu and
// something of it was heard.
func (h *house) inMenu() {
	h.t.Helper()
	h.eventually(patience, "the menu answers", func() bool {
		b, _ := os.ReadFile(h.log)
		return strings.Contains(string(b), `"event":"call.answered"`)
	})
	time.Sleep(time.Second)
}

// loud counts the pieces of 400 ms of which so much is a tone: a machine that stands
// still for a while tears holes, which say nothing of the rest.
func loud(pcm []int16, tone, least float64) (n int) {
	const piece = 400 * 8
	for ; len(pcm) >= piece; pcm = pcm[piece:] {
		if robot.Level(pcm[:piece], tone) >= least {
			n++
		}
	}
	return n
}

// recordedSoFar reads the recording of the call in progress, which can be read at any
// moment.
func (h *house) recordedSoFar() (w robot.WAV, ok bool) {
	files := h.recordings()
	if len(files) != 1 {
		return w, false
	}
	f, err := os.Open(files[0])
	if err != nil {
		return w, false
	}
	defer func() { _ = f.Close() }()
	w, err = robot.ReadWAV(f)
	return w, err == nil && len(w.Channels) == 2
}

// average is the level of a tone in pieces of 400 ms: a phase that slips in the
// middle, as after a lost packet, counts in its piece alone.
func average(pcm []int16, tone float64) float64 {
	const piece = 400 * 8
	sum, n := 0.0, len(pcm)/piece
	for i := range n {
		sum += robot.Level(pcm[i*piece:][:piece], tone)
	}
	return sum / float64(max(n, 1))
}
