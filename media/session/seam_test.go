package session

import (
	"math"
	"testing"
	"time"

	"github.com/centrala/centrala/media"
	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/play"
)

// ear is what a phone makes of its packets: each at its timestamp, the law undone. A
// hole of a packet it conceals, here by the last sample; longer ones are silent.
func ear(law codec.Law, packets []heard) []int16 {
	if len(packets) == 0 {
		return nil
	}
	first, last := packets[0].TS, packets[len(packets)-1]
	pcm := make([]int16, int(last.TS-first)+len(last.payload))
	end := 0
	for _, p := range packets {
		at := int(p.TS - first)
		if at > end && at-end <= media.FrameSamples {
			for i := end; i < at; i++ {
				pcm[i] = pcm[end-1]
			}
		}
		codec.Decode(law, pcm[at:], p.payload)
		end = at + len(p.payload)
	}
	return pcm
}

// jump is the largest step between two samples and where it is.
func jump(pcm []int16) (worst, at int) {
	for i := 1; i < len(pcm); i++ {
		if d := int(pcm[i]) - int(pcm[i-1]); max(d, -d) > worst {
			worst, at = max(d, -d), i
		}
	}
	return worst, at
}

// hum is a low tone from any phase: loud, and with steps of at most 760 of its own.
func hum(name string, d time.Duration, phase float64) *play.Clip {
	pcm := make([]int16, media.Samples(d))
	for i := range pcm {
		pcm[i] = int16(12000 * math.Sin(phase+2*math.Pi*80*float64(i)/media.ClockRate))
	}
	return play.NewClip(name, pcm)
}

// TestSeams: a call's course from the prompt over a key and the music to the talk
// and back has no click anywhere: no step larger than the sounds' own and what 5 ms
// of going over add, wherever the sources are cut.
func TestSeams(t *testing.T) {
	for _, law := range []codec.Law{codec.PCMA, codec.PCMU} {
		for cut := range 8 {
			s := newScore(t)
			a, b := s.leg(addrA, law), s.leg(addrB, law)
			sound := hum("talk", time.Minute, float64(cut)).PCM()
			n := cut * 37
			talk := func(d time.Duration) {
				for range d / (20 * time.Millisecond) {
					payload := make([]byte, 160)
					codec.Encode(law, payload, sound[n:n+160])
					n += 160
					raw := b.packet(uint8(law), payload)
					b.ts += 160
					b.Receive(nil, raw, b.from, s.now)
					s.pass(20 * time.Millisecond)
				}
			}
			odd := time.Duration(cut) * 1125 * time.Microsecond
			prompt, menu, music := hum("a", 410*time.Millisecond+odd, 1), hum("b", 3*time.Second, 2), hum("music", 530*time.Millisecond+odd, 3)
			// Two phrases that do not meet, to their end.
			a.Play(Play{ID: 1, Clips: []*play.Clip{prompt, menu, prompt}})
			s.pass(4200 * time.Millisecond)
			// A prompt that a key cuts short, another one at once.
			a.Play(Play{ID: 2, Clips: []*play.Clip{menu}})
			s.pass(700*time.Millisecond + odd)
			a.Play(Play{ID: 3, Clips: []*play.Clip{prompt}})
			s.pass(200 * time.Millisecond)
			a.StopPlay()
			s.pass(300 * time.Millisecond)
			// Music from its middle, in a loop that does not close; then talk.
			a.Play(Play{ID: 4, Clips: []*play.Clip{music}, Loop: true, Offset: 123 * time.Millisecond})
			s.pass(3 * time.Second)
			a.Bridge(b.Leg)
			s.run()
			talk(time.Second)
			// An announcement into the talk, then talk again, hold music, talk.
			a.Play(Play{ID: 5, Clips: []*play.Clip{prompt}})
			talk(time.Second)
			a.Unbridge()
			s.run()
			a.Play(Play{ID: 6, Clips: []*play.Clip{music}, Loop: true})
			s.pass(time.Second)
			a.Bridge(b.Leg)
			s.run()
			talk(time.Second)
			b.Close(nil)
			s.pass(time.Second)
			packets := a.take()
			continuous(t, packets)
			pcm := ear(law, packets)
			// 760 of the tone, 12000/41 of the ramp, the coding's own grain (1,024 at the
			// top); where phrases nearly meet they are left alone.
			if worst, at := jump(pcm); worst > 1800 {
				t.Errorf("%v, cut %d: a step of %d at %v", law, cut, worst, media.Duration(int64(at)))
			}
			if v := pcm[len(pcm)-1]; v > 300 || v < -300 {
				t.Errorf("%v, cut %d: ends at %d", law, cut, v)
			}
		}
	}
}

// TestSeamsLeaveSoundAlone: what is heard after the first 5 ms is what was sent, and
// a source that begins or goes on smoothly is not touched at all.
func TestSeamsLeaveSoundAlone(t *testing.T) {
	s := newScore(t)
	a, b := s.leg(addrA, codec.PCMA), s.leg(addrB, codec.PCMA)
	a.Bridge(b.Leg)
	s.run()
	sound := play.Tone(time.Second, -10, 1000).Frames(codec.PCMA)
	for i := range 50 {
		raw := b.packet(8, sound[160*i:160*i+160])
		b.ts += 160
		b.Receive(nil, raw, b.from, s.now)
		s.pass(20 * time.Millisecond)
	}
	var all []byte
	for _, h := range a.take() {
		all = append(all, h.payload...)
	}
	if string(all) != string(sound) {
		t.Error("a tone that begins at zero was changed")
	}
}

// TestSeamAllocatesNothing also holds for the packet after a change.
func TestSeamAllocatesNothing(t *testing.T) {
	payload := make([]byte, 160)
	for i := range payload {
		payload[i] = byte(i * 31)
	}
	if n := testing.AllocsPerRun(100, func() { join(codec.PCMA, payload, 9000, 0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestRoleChangesDoNotClick: a talker who is muted in mid-tone, whispers, and talks
// again, and an announcement that is stopped, are heard to go and come without a step.
func TestRoleChangesDoNotClick(t *testing.T) {
	s := newScore(t)
	all := s.speakers(100, 101)
	a, b := all[0], all[1]
	c := s.w.e.NewConference(0)
	c.Add(a.Leg, Talker())
	c.Add(b.Leg, Talker())
	s.talk(time.Second, a)
	b.take()
	for range 6 {
		for _, r := range []Role{Listener(), Talker(), Whisper(b.Leg), Listener(), Whisper(b.Leg), Talker()} {
			s.pass(5 * time.Millisecond)
			c.SetRole(a.Leg, r)
			s.talk(220*time.Millisecond, a)
		}
		c.SetRole(a.Leg, Listener())
		c.Play(Play{ID: 1, Clips: []*play.Clip{hum("call", 3*time.Second, 0)}}, nil)
		s.talk(330*time.Millisecond, a)
		c.StopPlay()
		s.talk(100*time.Millisecond, a)
		c.SetRole(a.Leg, Talker())
	}
	s.talk(300*time.Millisecond, a)
	pcm := ear(b.p.Law, b.take())
	if len(pcm) < 8*media.ClockRate {
		t.Fatalf("%d samples", len(pcm))
	}
	// 6000 * 2 pi 100/8000 = 471 of the tone, 754 of the announcement, 6000/41 of a fade.
	if worst, at := jump(pcm); worst > 1200 {
		t.Errorf("a step of %d at %v: %v", worst, media.Duration(int64(at)), pcm[max(at-4, 0):at+4])
	}
	if l := level(pcm[len(pcm)-800:], 100); l < .9 {
		t.Errorf("in the end the talker is %.2f of what is heard", l)
	}
}
