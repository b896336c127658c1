package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// rung is the next call at a desk, not answered yet.
func (o *office) rung(d *desk) *robot.Call {
	o.t.Helper()
	select {
	case c := <-d.rings:
		return c
	case <-time.After(patience):
		o.t.Fatal("nothing rang")
		return nil
	}
}

// TestPhoneThatTakesNoSRTP: a phone that refuses our offer with SRTP is rung once
// more without, and the call is one leg; where SRTP is required it is not.
func TestPhoneThatTakesNoSRTP(t *testing.T) {
	for mode, again := range map[string]bool{"optional": true, "required": false} {
		t.Run(mode, func(t *testing.T) {
			o := newOffice(t)
			o.must("kind: device\nname: bob\nspec: {password: pw-bob, extension: \"201\", media_encryption: " + mode + ", sdes_over_plain_sip: true}\n")
			a := o.call(o.anna, "201")
			first := o.rung(o.bob)
			sdp := string(first.Request().Body)
			if !strings.Contains(sdp, "RTP/SAVP ") || !strings.Contains(sdp, "a=crypto:1 AEAD_AES_128_GCM inline:") || !strings.Contains(sdp, "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:") {
				t.Fatalf("offered\n%s", sdp)
			}
			first.Reject(488, "Not Acceptable Here")
			if !again {
				if err := a.WaitState(within(t), robot.Ended); err != nil {
					t.Fatal(err)
				}
				if _, code := a.Ended(); code != 488 {
					t.Errorf("the caller is told %d", code)
				}
				return
			}
			second := o.rung(o.bob)
			if sdp := string(second.Request().Body); !strings.Contains(sdp, "RTP/AVP ") || strings.Contains(sdp, "crypto") {
				t.Fatalf("offered\n%s", sdp)
			}
			second.Answer()
			o.isUp(second, o.bob)
			o.isUp(a, o.anna)
			o.talk(a, o.anna, second, o.bob)
			hangUp(a)
			o.over(second)
			if r := o.record("default", a); len(r.Legs) != 2 {
				t.Errorf("%d legs", len(r.Legs))
			}
			for _, e := range o.logs.All() {
				if strings.Contains(e.Message, "inline:") {
					t.Error("a key is in the log")
				}
				for _, v := range e.ContextMap() {
					if s, ok := v.(string); ok && strings.Contains(s, "inline:") {
						t.Error("a key is in the log")
					}
				}
			}
		})
	}
}

// TestOffersByPolicy: what a phone by UDP is answered when it offers SRTP.
func TestOffersByPolicy(t *testing.T) {
	o := newOffice(t)
	// Over UDP the keys would travel in clear: by default only plain RTP is offered.
	a := o.call(o.anna, "201")
	b := o.rung(o.bob)
	if sdp := string(b.Request().Body); strings.Contains(sdp, "SAVP") || strings.Contains(sdp, "crypto") {
		t.Errorf("offered over UDP\n%s", sdp)
	}
	b.Reject(486, "Busy Here")
	if err := a.WaitState(within(t), robot.Ended); err != nil {
		t.Fatal(err)
	}
	// Required, but the signalling is not secure: the call is refused either way.
	o.must("kind: device\nname: anna\nspec: {password: pw-anna, extension: \"101\", media_encryption: required}\n")
	a = o.call(o.anna, "201")
	b = o.rung(o.bob)
	b.Answer()
	if err := a.WaitState(within(t), robot.Ended); err != nil {
		t.Fatal(err)
	}
	if _, code := a.Ended(); code != 488 {
		t.Errorf("a plain offer of a phone that must have SRTP got %d", code)
	}
}
