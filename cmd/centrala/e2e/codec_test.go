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
			time.Sleep(5 * time.Second)
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
			// baresip brings its 8 kHz to 16 by a filter that leaves a seventh of the
			// agent's tone, so it is not the level that counts here.
			w := h.recording()
			for ch, tone := range []float64{callerTone, agentTone} {
				other := []float64{agentTone, callerTone}[ch]
				if own, wrong := average(w.Channels[ch], tone), average(w.Channels[ch], other); own < 0.025 || wrong > own/10 {
					t.Errorf("recording of %d samples, channel %d: %.3f of its own tone, %.3f of the other", len(w.Channels[ch]), ch, own, wrong)
				}
			}
			h.eventually(patience, "both heard each other", func() bool {
				a, b := anna.heard(), bob.heard()
				return robot.Level(a[len(a)/2:], agentTone) > 0.025 && robot.Level(b, callerTone) > 0.025
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
